// The reference implementation of the generation G3. The layer quant_fusion_layer gets the outputs
// of the stages (groups of blocks) directly: the checkpoint has layers fusion_convs for these
// outputs, but the network does not use the layers fusion_convs.

#include "reference_stages.h"

namespace aether2onnx::verify {

Value forward_generation3(const Weights& w, const Value& image, Trace& trace) {
  BlockKind kind;
  kind.divides_by_temperature = true;
  kind.linear_attention = true;
  kind.attention_bias = true;
  const Value u = w.seen((image - w["mean"]) * w.img_range());
  const Value shallow = trace.block("conv_first", conv(w, "conv_first", u));
  const Value stages = concatenate(run_stages(w, shallow, kind, trace));
  Value z = conv(w, "quant_fusion_layer.fusion_conv", stages + w["quant_fusion_layer.error_comp"]);
  z = trace.block("quant_fusion_layer", z);
  z = body_with_inner_norm(w, z, shallow, trace);
  return trace.block("conv_last", tail(w, z, trace) / w.img_range() + w["mean"]);
}

}  // namespace aether2onnx::verify
