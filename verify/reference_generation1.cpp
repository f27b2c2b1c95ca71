// The first generation. The numbers are those of the specification's forward pass.

#include "reference_generation.h"

namespace aether2onnx::verify {

namespace {

at::Tensor channels_last(const at::Tensor& x) { return x.permute({0, 2, 3, 1}); }
at::Tensor channels_first(const at::Tensor& x) { return x.permute({0, 3, 1, 2}); }

at::Tensor block(const Weights& w, const std::string& path, const at::Tensor& y) {
  const at::Tensor a = channels_last(w.seen(depthwise(w, path + ".conv", y)));
  const at::Tensor n = layer_norm(w, path + ".norm", a, 1e-6);
  const at::Tensor gate = at::gelu(linear(w, path + ".ffn.fc1_gate", n), "none");
  const at::Tensor main = linear(w, path + ".ffn.fc1_main", n);
  return y + channels_first(linear(w, path + ".ffn.fc2", w.seen(gate * main)));
}

}  // namespace

at::Tensor forward_generation1(const Weights& w, const at::Tensor& image, Trace& trace) {
  const double mean = image.size(1) == 3 ? 0.5 : 0.0;              // 1
  const at::Tensor shallow = conv(w, "conv_first", image - mean);  // 2
  trace.block("conv_first", shallow);
  at::Tensor y = shallow;
  for (int group = 0;; ++group) {  // 3
    const std::string group_path = "layers." + std::to_string(group) + ".";
    if (!w.has(group_path + "0.norm.weight")) break;
    for (int index = 0;; ++index) {
      const std::string path = group_path + std::to_string(index);
      if (!w.has(path + ".norm.weight")) break;
      y = block(w, path, y);
      trace.block(path, y);
    }
  }
  y = channels_first(layer_norm(w, "norm", channels_last(y), 1e-5));  // 4
  trace.block("norm", y);
  y = conv(w, "conv_after_body", y);
  trace.block("conv_after_body", y);
  y = y + shallow;  // 5
  trace.block("body_residual", y);
  at::Tensor t = conv(w, "conv_before_upsample.0", y);  // 6
  trace.block("conv_before_upsample.0", t);
  t = at::leaky_relu(t, 0.01);
  trace.block("conv_before_upsample.1", t);
  const std::int64_t width = t.size(1);
  for (int index = 0;; index += 2) {  // 7
    const std::string path = "upsample." + std::to_string(index);
    if (!w.has(path + ".weight")) break;
    t = conv(w, path, t);
    trace.block(path, t);
    t = at::pixel_shuffle(t, t.size(1) == 9 * width ? 3 : 2);
    trace.block("upsample." + std::to_string(index + 1), t);
  }
  t = conv(w, "conv_last", t);  // 8
  trace.block("conv_last", t);
  return t + mean;  // 9
}

}  // namespace aether2onnx::verify
