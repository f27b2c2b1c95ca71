// G3: fuses the outputs of the stages themselves. The file has fusion_convs, but the network does
// not use them.

#include "reference_stages.h"

namespace aether2onnx::verify {

at::Tensor forward_generation3(const Weights& w, const at::Tensor& image, Trace& trace) {
  BlockKind kind;
  kind.divides_by_temperature = true;
  kind.linear_attention = true;
  kind.attention_bias = true;
  const at::Tensor u = w.seen((image - w["mean"]) * w.img_range());
  const at::Tensor shallow = conv(w, "conv_first", u);
  trace.block("conv_first", shallow);
  const at::Tensor stages = at::cat(run_stages(w, shallow, kind, trace), 1);
  at::Tensor z =
      conv(w, "quant_fusion_layer.fusion_conv", stages + w["quant_fusion_layer.error_comp"]);
  trace.block("quant_fusion_layer", z);
  z = body_with_inner_norm(w, z, shallow, trace);
  at::Tensor out = tail(w, z, trace) / w.img_range() + w["mean"];
  trace.block("conv_last", out);
  return out;
}

}  // namespace aether2onnx::verify
