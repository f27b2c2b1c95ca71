// G5x, the "Clean Architecture": GELU, biases in the branches, no activation before the upsampler.

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

at::Tensor forward_generation5x(const Weights& w, const at::Tensor& image, Trace& trace) {
  BlockKind kind;
  kind.gelu = true;
  kind.linear_attention = true;
  kind.branch_biases = true;
  kind.res_scale = w.facts.number("res_scale", 1);
  const at::Tensor u = w.seen((image - w["mean"]) * w.img_range());
  const at::Tensor shallow = conv(w, "conv_first", u);
  trace.block("conv_first", shallow);
  const at::Tensor stages = fusion_convs(w, run_stages(w, shallow, kind, trace), trace);
  at::Tensor z = conv(w, "quant_fusion_layer.conv", stages) + w["quant_fusion_layer.error_comp"];
  trace.block("quant_fusion_layer", z);
  z = body_with_inner_norm(w, z, shallow, trace);
  at::Tensor t = conv(w, "conv_before_upsample", z);
  trace.block("conv_before_upsample", t);
  t = conv(w, "conv_last", upsample(w, upsample_steps(w), t, trace));
  at::Tensor out = t / w.img_range() + w["mean"];
  trace.block("conv_last", out);
  return out;
}

}  // namespace aether2onnx::verify
