// The reference implementation of the generations G6.0 and G6.1. A number as a comment, such as
// "// 4", names the step of the forward pass in AetherNet's specification.

#include "reference_stages.h"

namespace aether2onnx::verify {

Value forward_generation6(const Weights& w, const Value& image, Trace& trace) {
  BlockKind kind;
  kind.res_scale = w.facts.number("res_scale", 1);
  const Value u = w.seen((image - w["mean"]) * w.img_range());
  const Value shallow = trace.block("conv_first", conv(w, "conv_first", u));         // 1
  const Value stages = fusion_convs(w, run_stages(w, shallow, kind, trace), trace);  // 2, 3
  Value z =
      conv(w, "quant_fusion_layer.fusion_conv", stages) + w["quant_fusion_layer.error_comp"];  // 4
  z = trace.block("quant_fusion_layer", z);
  z = body_with_inner_norm(w, z, shallow, trace);                                  // 5
  return trace.block("conv_last", tail(w, z, trace) / w.img_range() + w["mean"]);  // 6, 7
}

}  // namespace aether2onnx::verify
