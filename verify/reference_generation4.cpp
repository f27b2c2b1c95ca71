// G4: like G3, but uses fusion_convs, and channel attention has convolutions.

#include "reference_stages.h"

namespace aether2onnx::verify {

at::Tensor forward_generation4(const Weights& w, const at::Tensor& image, Trace& trace) {
  BlockKind kind;
  kind.divides_by_temperature = true;
  kind.attention_bias = true;
  const at::Tensor u = w.seen((image - w["mean"]) * w.img_range());
  const at::Tensor shallow = conv(w, "conv_first", u);
  trace.block("conv_first", shallow);
  const at::Tensor stages = fusion_convs(w, run_stages(w, shallow, kind, trace), trace);
  at::Tensor z =
      conv(w, "quant_fusion_layer.fusion_conv", stages + w["quant_fusion_layer.error_comp"]);
  trace.block("quant_fusion_layer", z);
  z = body_with_inner_norm(w, z, shallow, trace);
  at::Tensor out = tail(w, z, trace) / w.img_range() + w["mean"];
  trace.block("conv_last", out);
  return out;
}

}  // namespace aether2onnx::verify
