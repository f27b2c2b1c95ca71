// G7a to G7d. The numbers are those of the specification's forward pass. Two things differ from G6:
// the place of the body norm, and the meaning of img_range. G7a has no temperature in its gates.

#include "reference_stages.h"

namespace aether2onnx::verify {

at::Tensor forward_generation7(const Weights& w, const at::Tensor& image, Trace& trace) {
  BlockKind kind;
  kind.res_scale = w.facts.number("res_scale", 1);
  const bool first = w.facts.generation == "G7a";
  kind.without_temperature = first;
  const at::Tensor u = w.seen(image / w.img_range() - w["mean"]);
  const at::Tensor shallow = conv(w, "conv_first", u);  // 1
  trace.block("conv_first", shallow);
  const at::Tensor stages = fusion_convs(w, run_stages(w, shallow, kind, trace), trace);  // 2, 3
  const std::string fusion = "quant_fusion_layer.fusion_conv";
  at::Tensor z = at::conv2d(stages, w[fusion + ".weight"], w[fusion + ".bias"]);  // 4
  // A network that was converted to int8 was trained without error_comp, but not G7a.
  if (w.facts.quantization != Quantization::int8 || first)
    z = z + w["quant_fusion_layer.error_comp"];
  const bool layer_norm = w.facts.norm_type == NormType::layernorm;
  if (layer_norm) trace.block("quant_fusion_layer", z);
  z = normalized(w, "norm", z);  // 5
  // The converter folds a norm with stored statistics into the convolution's weights.
  trace.block(layer_norm ? "norm" : "quant_fusion_layer", z);
  z = z + shallow;
  trace.block("shortcut", z);
  const at::Tensor r = conv(w, "conv_after_body", z);
  trace.block("conv_after_body", r);
  z = r + z;
  trace.block("body_residual", z);
  at::Tensor out = (tail(w, z, trace) + w["mean"]) * w.img_range();  // 6, 7
  trace.block("conv_last", out);
  return out;
}

}  // namespace aether2onnx::verify
