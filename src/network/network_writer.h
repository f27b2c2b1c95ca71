/// @file
/// Writes a description down: modules with the parameters they need, and the keys that a state dict
/// of the network has. Private to this stage.
#pragma once

#include <string>
#include <vector>

#include "network/network.h"
#include "network/view.h"

namespace aether2onnx::network {

/// How a block's depthwise convolution stands in the state dict.
struct DepthwiseLayout {
  std::int64_t channels = 0;
  std::int64_t large_kernel = 0;
  std::int64_t small_kernel = 0;  ///< Where it isn't fused.
  bool fused = true;
  /// Keys of the biases of the unfused convolutions, below the path.
  const char* large_bias = "lk_bias";
  const char* small_bias = "sk_bias";
};

class NetworkWriter {
 public:
  /// A stored weight, at the key of its own name.
  ParameterId parameter(const std::string& name, std::vector<std::int64_t> shape);
  /// The same, at another key.
  ParameterId parameter(const std::string& name, const std::string& key,
                        std::vector<std::int64_t> shape);
  /// Computes a parameter otherwise than by its stored value alone.
  void set_value(ParameterId parameter, Expression value) {
    network_.parameters.at(parameter).value = std::move(value);
  }
  /// What isn't used; its shape is checked all the same.
  void buffer(const std::string& name, std::vector<std::int64_t> shape);

  ValueId add(std::string path, Operation operation, std::vector<ValueId> inputs);

  // Layers with weights `path`.weight and, unless left out, `path`.bias.
  ValueId conv(const std::string& path, std::int64_t out, std::int64_t in, std::int64_t kernel,
               ValueId input);
  /// The same, with weights at `key`.weight and `key`.bias.
  ValueId conv_at(const std::string& path, const std::string& key, std::int64_t out,
                  std::int64_t in, std::int64_t kernel, ValueId input);
  ValueId linear(const std::string& path, std::int64_t out, std::int64_t in, ValueId input);
  ValueId layer_norm(const std::string& path, std::int64_t channels, double epsilon, ValueId input);
  ValueId depthwise(const std::string& path, const DepthwiseLayout& layout, ValueId input);

  /// Throws Error(mismatch) with every difference between the state dict and what was written down;
  /// `what` names the network.
  void check_strictly(const View& view, const std::string& what) const;

  Network take() { return std::move(network_); }

 private:
  /// One key that the state dict has.
  struct ExpectedTensor {
    std::string name;
    std::vector<std::int64_t> shape;
    bool is_weight = true;
  };

  static bool has_type_of(const ExpectedTensor& expected, DType dtype);

  Network network_;
  std::vector<ExpectedTensor> expected_;
};

}  // namespace aether2onnx::network
