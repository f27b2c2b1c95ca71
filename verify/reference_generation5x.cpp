// The reference implementation of the generation G5x, the "Clean Architecture". In contrast to G5.0
// to G5.2, the gate (conv_gate) in each block uses GELU, not SiLU, and no activation precedes the
// upsampler. The biases of the two convolutions in a block have the keys lk_conv.bias and
// sk_conv.bias, not lk_bias and sk_bias.

#include "reference_stages.h"

namespace aether2onnx::verify {

namespace {

std::vector<UpsampleStep> upsample_steps(const Weights& w) {
  const std::string root = "upsample.upsample.";
  std::vector<UpsampleStep> steps;
  const auto add = [&](const std::string& path) {
    if (!w.has(path + ".0.weight")) return false;
    steps.push_back({path + ".0", path + ".0", path + ".1"});
    return true;
  };
  if (add(root + "up_3x")) return steps;
  for (int i = 0; add(root + "up_" + std::to_string(i));) ++i;
  return steps;
}

}  // namespace

Value forward_generation5x(const Weights& w, const Value& image, Trace& trace) {
  BlockKind kind;
  kind.gelu = true;
  kind.linear_attention = true;
  kind.branch_biases = true;
  kind.res_scale = w.facts.number("res_scale", 1);
  const Value u = w.seen((image - w["mean"]) * w.img_range());
  const Value shallow = trace.block("conv_first", conv(w, "conv_first", u));
  const Value stages = fusion_convs(w, run_stages(w, shallow, kind, trace), trace);
  Value z = trace.block("quant_fusion_layer", conv(w, "quant_fusion_layer.conv", stages) +
                                                  w["quant_fusion_layer.error_comp"]);
  z = body_with_inner_norm(w, z, shallow, trace);
  Value t = trace.block("conv_before_upsample", conv(w, "conv_before_upsample", z));
  t = conv(w, "conv_last", upsample(w, upsample_steps(w), t, trace));
  return trace.block("conv_last", t / w.img_range() + w["mean"]);
}

}  // namespace aether2onnx::verify
