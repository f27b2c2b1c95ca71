// G5.0, G5.1 and G5.2. They differ in their options and in the channels of each stage.

#include "reference_stages.h"

namespace aether2onnx::verify {

at::Tensor forward_generation5(const Weights& w, const at::Tensor& image, Trace& trace) {
  BlockKind kind;
  if (w.facts.generation != "G5.0") kind.res_scale = w.facts.number("res_scale", 1);
  const at::Tensor u = w.seen((image - w["mean"]) * w.img_range());
  const at::Tensor shallow = conv(w, "conv_first", u);  // 1
  trace.block("conv_first", shallow);
  const at::Tensor stages = fusion_convs(w, run_stages(w, shallow, kind, trace), trace);  // 2
  at::Tensor z =
      conv(w, "quant_fusion_layer.fusion_conv", stages + w["quant_fusion_layer.error_comp"]);  // 3
  trace.block("quant_fusion_layer", z);
  z = body_with_inner_norm(w, z, shallow, trace);                  // 3, 4
  at::Tensor out = tail(w, z, trace) / w.img_range() + w["mean"];  // 5
  trace.block("conv_last", out);
  return out;
}

}  // namespace aether2onnx::verify
