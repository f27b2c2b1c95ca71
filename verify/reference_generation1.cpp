// The reference implementation of G1, the first generation of AetherNet. A number as a comment,
// such as "// 3", names the step of the forward pass in AetherNet's specification.

#include "reference_generation.h"

namespace aether2onnx::verify {

namespace {

Value block(const Weights& w, const std::string& path, const Value& y) {
  const Value a = w.seen(depthwise(w, path + ".conv", y));
  const Value n = layer_norm(w, path + ".norm", a, 1e-6);
  const Value gate = gelu(linear(w, path + ".ffn.fc1_gate", n));
  const Value main = linear(w, path + ".ffn.fc1_main", n);
  return y + linear(w, path + ".ffn.fc2", w.seen(gate * main));
}

}  // namespace

Value forward_generation1(const Weights& w, const Value& image, Trace& trace) {
  const double mean = image.size(1) == 3 ? 0.5 : 0.0;                                    // 1
  const Value shallow = trace.block("conv_first", conv(w, "conv_first", image - mean));  // 2
  Value y = shallow;
  for (int group = 0;; ++group) {  // 3
    const std::string group_path = "layers." + std::to_string(group) + ".";
    if (!w.has(group_path + "0.norm.weight")) break;
    for (int index = 0;; ++index) {
      const std::string path = group_path + std::to_string(index);
      if (!w.has(path + ".norm.weight")) break;
      y = trace.block(path, block(w, path, y));
    }
  }
  y = trace.block("norm", layer_norm(w, "norm", y, 1e-5));  // 4
  y = trace.block("conv_after_body", conv(w, "conv_after_body", y));
  y = trace.block("body_residual", y + shallow);                                          // 5
  Value t = trace.block("conv_before_upsample.0", conv(w, "conv_before_upsample.0", y));  // 6
  t = trace.block("conv_before_upsample.1", leaky_relu(t, 0.01));
  const std::int64_t width = t.size(1);
  for (int index = 0;; index += 2) {  // 7
    const std::string path = "upsample." + std::to_string(index);
    if (!w.has(path + ".weight")) break;
    t = trace.block(path, conv(w, path, t));
    t = trace.block("upsample." + std::to_string(index + 1),
                    pixel_shuffle(t, t.size(1) == 9 * width ? 3 : 2));
  }
  t = trace.block("conv_last", conv(w, "conv_last", t));  // 8
  return t + mean;                                        // 9
}

}  // namespace aether2onnx::verify
