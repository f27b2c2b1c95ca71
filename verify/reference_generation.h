/// @file
/// What a generation's reference is made of. Private to the reference.
#pragma once

#include <ATen/ATen.h>
#include <aether2onnx/aether2onnx.h>

#include <string>
#include <unordered_map>

namespace aether2onnx::verify {

/// Is shown the outputs of the network's parts.
class Trace {
 public:
  Trace() = default;
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;
  virtual ~Trace() = default;
  /// What a part makes; the values seen since the one before belong to it.
  virtual void block(const std::string& path, const at::Tensor& output) = 0;
  /// A value on the way.
  virtual void value(const at::Tensor& value) = 0;
};

/// The checkpoint's tensors by their keys.
class Weights {
 public:
  std::unordered_map<std::string, at::Tensor> tensors;
  /// What isn't in the tensors: the generation, norm_eps, res_scale, img_range, quantization…
  Report::Network facts;
  Trace* trace = nullptr;

  /// Shows the trace a value that isn't a layer's, and gives it back.
  at::Tensor seen(at::Tensor value) const;

  /// Throws Error(verification) where there is none of that name.
  const at::Tensor& operator[](const std::string& name) const;
  bool has(const std::string& name) const { return tensors.contains(name); }
};

// Layers by the path of their module, with weights `path`.weight and `path`.bias. What they make is
// shown to the trace.
at::Tensor conv(const Weights& w, const std::string& path, const at::Tensor& x);
at::Tensor layer_norm(const Weights& w, const std::string& path, const at::Tensor& x, double eps);
at::Tensor linear(const Weights& w, const std::string& path, const at::Tensor& x);

/// The depthwise convolution of a block at `path`, which isn't shown: one, with fused_conv.bias,
/// where it is fused; the sum of two where it isn't, of lk_conv and sk_conv with these biases.
at::Tensor depthwise(const Weights& w, const std::string& path, const at::Tensor& x,
                     const std::string& large_bias = "lk_bias",
                     const std::string& small_bias = "sk_bias");

/// A generation's forward pass: image (N, C, H, W) to image (N, C, scale H, scale W).
using Forward = at::Tensor (*)(const Weights& w, const at::Tensor& image, Trace& trace);

at::Tensor forward_generation1(const Weights& w, const at::Tensor& image, Trace& trace);
at::Tensor forward_generation3(const Weights& w, const at::Tensor& image, Trace& trace);
at::Tensor forward_generation4(const Weights& w, const at::Tensor& image, Trace& trace);
at::Tensor forward_generation5(const Weights& w, const at::Tensor& image, Trace& trace);
at::Tensor forward_generation5x(const Weights& w, const at::Tensor& image, Trace& trace);
at::Tensor forward_generation6(const Weights& w, const at::Tensor& image, Trace& trace);
at::Tensor forward_generation7(const Weights& w, const at::Tensor& image, Trace& trace);

}  // namespace aether2onnx::verify
