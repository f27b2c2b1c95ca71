// G6.0 and G6.1. The numbers are those of the specification's forward pass.

#include "reference_stages.h"

namespace aether2onnx::verify {

at::Tensor forward_generation6(const Weights& w, const at::Tensor& image, Trace& trace) {
  BlockKind kind;
  kind.res_scale = w.facts.number("res_scale", 1);
  const at::Tensor u = w.seen((image - w["mean"]) * w.img_range());
  const at::Tensor shallow = conv(w, "conv_first", u);  // 1
  trace.block("conv_first", shallow);
  const at::Tensor stages = fusion_convs(w, run_stages(w, shallow, kind, trace), trace);  // 2, 3
  at::Tensor z =
      conv(w, "quant_fusion_layer.fusion_conv", stages) + w["quant_fusion_layer.error_comp"];  // 4
  trace.block("quant_fusion_layer", z);
  z = body_with_inner_norm(w, z, shallow, trace);                  // 5
  at::Tensor out = tail(w, z, trace) / w.img_range() + w["mean"];  // 6, 7
  trace.block("conv_last", out);
  return out;
}

}  // namespace aether2onnx::verify
