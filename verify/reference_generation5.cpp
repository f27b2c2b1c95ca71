// The reference implementation of the generations G5.0, G5.1 and G5.2, which differ in options and
// in the channels of each stage (group of blocks). A number as a comment, such as "// 3", names the
// step of the forward pass in AetherNet's specification.

#include "reference_stages.h"

namespace aether2onnx::verify {

Value forward_generation5(const Weights& w, const Value& image, Trace& trace) {
  BlockKind kind;
  if (w.facts.generation != "G5.0") kind.res_scale = w.facts.number("res_scale", 1);
  const Value u = w.seen((image - w["mean"]) * w.img_range());
  const Value shallow = trace.block("conv_first", conv(w, "conv_first", u));         // 1
  const Value stages = fusion_convs(w, run_stages(w, shallow, kind, trace), trace);  // 2
  Value z =
      conv(w, "quant_fusion_layer.fusion_conv", stages + w["quant_fusion_layer.error_comp"]);  // 3
  z = trace.block("quant_fusion_layer", z);
  z = body_with_inner_norm(w, z, shallow, trace);                                  // 3, 4
  return trace.block("conv_last", tail(w, z, trace) / w.img_range() + w["mean"]);  // 5
}

}  // namespace aether2onnx::verify
