/// @file
/// Builds a Network module by module, with its weights, and collects the keys that the state dict
/// must have. Private to this folder.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "network/generation.h"

namespace aether2onnx::network {

/// The id of the input image, which is feature map 0 of each Network.
inline constexpr ValueId kImage = 0;

class NetworkWriter {
 public:
  /// `file` is the checkpoint that contains the network; buffer_if_there() and no_bias() search it.
  /// Null if an ONNX graph contains the network.
  NetworkWriter(const Dimensions& dimensions, const Settings& settled, const FloatStateDict* file)
      : d(dimensions), settings(settled), file_(file) {}

  const Dimensions& d;
  const Settings& settings;

  /// Adds a weight and returns its id. Without `key`, the weight's key in the checkpoint is `name`.
  ParameterId parameter(const std::string& name, std::vector<std::int64_t> shape);
  ParameterId parameter(const std::string& name, const std::string& key,
                        std::vector<std::int64_t> shape);
  void set_value(ParameterId parameter, Expression value) {
    network_.parameters.at(parameter).value = std::move(value);
  }
  /// Adds a tensor that the network does not use, so that a fused checkpoint keeps the tensor (see
  /// struct Buffer). check_strictly() checks the shape of the tensor.
  void buffer(const std::string& name, std::vector<std::int64_t> shape);
  /// Calls buffer() with the shape in the checkpoint, if the checkpoint has the tensor `name`.
  void buffer_if_there(const std::string& name);

  /// Records that the layer `path` has no bias. In a file converted to int8, the layer may have a
  /// bias of zeros: PyTorch's engine qnnpack writes these zeros if the float layer has no bias.
  /// Source: aten/src/ATen/native/quantized/cpu/qconv_prepack.cpp and qlinear_prepack.cpp.
  void no_bias(const std::string& path, std::int64_t out);

  ValueId add(std::string path, Operation operation, std::vector<ValueId> inputs);

  // conv(), linear() and layer_norm() add a layer with the weights `path`.weight and `path`.bias.
  // They return the id of the layer's output.
  ValueId conv(const std::string& path, std::int64_t out, std::int64_t in, std::int64_t kernel,
               ValueId input);
  /// Adds a convolution with the module path `path`. The keys of its weight and bias in the
  /// checkpoint are `key`.weight and `key`.bias. Returns the id of the convolution's output.
  ValueId conv_at(const std::string& path, const std::string& key, std::int64_t out,
                  std::int64_t in, std::int64_t kernel, ValueId input);
  ValueId linear(const std::string& path, std::int64_t out, std::int64_t in, ValueId input);
  ValueId layer_norm(const std::string& path, double epsilon, ValueId input);
  /// Adds the depthwise convolution of a block. A fused network has one Conv2d. An unfused network
  /// has a ReparameterizedConv2d (the sum of two convolutions). The two convolutions have biases
  /// with the keys `path`.`large_bias` and `path`.`small_bias`.
  ValueId depthwise(const std::string& path, ValueId input, const char* large_bias = "lk_bias",
                    const char* small_bias = "sk_bias");

  ValueId multiply_by_range(const char* path, ValueId input);
  ValueId divide_by_range(const char* path, ValueId input);

  /// Throws Error(mismatch) if keys, shapes or types in the state dict do not fit the network that
  /// this object has built. The error lists all differences. `what` is the network's name in the
  /// error message.
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
