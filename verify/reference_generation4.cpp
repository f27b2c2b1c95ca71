// The reference implementation of the generation G4. In contrast to G3, the layers fusion_convs
// convert the output of each stage (group of blocks), and channel attention has convolutions
// instead of Linear layers.

#include "reference_stages.h"

namespace aether2onnx::verify {

Value forward_generation4(const Weights& w, const Value& image, Trace& trace) {
  BlockKind kind;
  kind.divides_by_temperature = true;
  kind.attention_bias = true;
  const Value u = w.seen((image - w["mean"]) * w.img_range());
  const Value shallow = trace.block("conv_first", conv(w, "conv_first", u));
  const Value stages = fusion_convs(w, run_stages(w, shallow, kind, trace), trace);
  Value z = conv(w, "quant_fusion_layer.fusion_conv", stages + w["quant_fusion_layer.error_comp"]);
  z = trace.block("quant_fusion_layer", z);
  z = body_with_inner_norm(w, z, shallow, trace);
  return trace.block("conv_last", tail(w, z, trace) / w.img_range() + w["mean"]);
}

}  // namespace aether2onnx::verify
