/// @file
/// Writes a description: the modules, their parameters, and the keys that the state dict must have.
/// Private to this folder.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "network/generation.h"

namespace aether2onnx::network {

/// The value of the image.
inline constexpr ValueId kImage = 0;

class NetworkWriter {
 public:
  /// `file` tells which buffers exist. It is null for a graph, which has no buffers.
  NetworkWriter(const Dimensions& dimensions, const Settings& settled, const FloatStateDict* file)
      : d(dimensions), settings(settled), file_(file) {}

  const Dimensions& d;
  const Settings& settings;

  /// A stored weight. The key is the name unless another one is given.
  ParameterId parameter(const std::string& name, std::vector<std::int64_t> shape);
  ParameterId parameter(const std::string& name, const std::string& key,
                        std::vector<std::int64_t> shape);
  void set_value(ParameterId parameter, Expression value) {
    network_.parameters.at(parameter).value = std::move(value);
  }
  /// An unused tensor. Its shape is checked all the same.
  void buffer(const std::string& name, std::vector<std::int64_t> shape);
  void buffer_if_there(const std::string& name);

  /// The layer has no bias. In a file converted to int8, a bias of zeros may stand in its place:
  /// PyTorch's engine qnnpack packs zeros if the float layer has none.
  /// Source: aten/src/ATen/native/quantized/cpu/qconv_prepack.cpp and qlinear_prepack.cpp.
  void no_bias(const std::string& path, std::int64_t out);

  ValueId add(std::string path, Operation operation, std::vector<ValueId> inputs);

  // Layers with the weights `path`.weight and `path`.bias.
  ValueId conv(const std::string& path, std::int64_t out, std::int64_t in, std::int64_t kernel,
               ValueId input);
  /// The same with the weights `key`.weight and `key`.bias.
  ValueId conv_at(const std::string& path, const std::string& key, std::int64_t out,
                  std::int64_t in, std::int64_t kernel, ValueId input);
  ValueId linear(const std::string& path, std::int64_t out, std::int64_t in, ValueId input);
  ValueId layer_norm(const std::string& path, double epsilon, ValueId input);
  /// The depthwise convolution of a block: one fused convolution, or the sum of two. The biases of
  /// the two have these keys below `path`.
  ValueId depthwise(const std::string& path, ValueId input, const char* large_bias = "lk_bias",
                    const char* small_bias = "sk_bias");

  ValueId multiply_by_range(const char* path, ValueId input);
  ValueId divide_by_range(const char* path, ValueId input);

  /// Throws Error(mismatch) with every difference between the state dict and the written network.
  /// `what` names the network.
  void check_strictly(const FloatStateDict& file, const std::string& what) const;

  Network take() { return std::move(network_); }

 private:
  struct ExpectedTensor {
    std::string key;
    std::vector<std::int64_t> shape;
    bool is_weight = true;
    bool is_zero = false;
  };
  struct ExpectedAttribute {
    std::string name;
    std::string value;
  };

  std::vector<ExpectedAttribute> expected_attributes() const;

  Network network_;
  std::vector<ExpectedTensor> expected_;
  const FloatStateDict* file_;
};

}  // namespace aether2onnx::network
