// The reference implementation of the generations G7a to G7d. A number as a comment, such as
// "// 4", names the step of the forward pass in AetherNet's specification. In contrast to G6, the
// body's norm comes before the sum with `shallow`, the output of conv_first. Also, the image is
// divided by img_range. G7a ignores the temperatures, which are factors of the gates in the blocks.

#include "reference_stages.h"

namespace aether2onnx::verify {

Value forward_generation7(const Weights& w, const Value& image, Trace& trace) {
  BlockKind kind;
  kind.res_scale = w.facts.number("res_scale", 1);
  const bool first = w.facts.generation == "G7a";
  kind.without_temperature = first;
  const Value u = w.seen(image / w.img_range() - w["mean"]);
  const Value shallow = trace.block("conv_first", conv(w, "conv_first", u));         // 1
  const Value stages = fusion_convs(w, run_stages(w, shallow, kind, trace), trace);  // 2, 3
  const std::string fusion = "quant_fusion_layer.fusion_conv";
  Value z = conv2d(stages, w[fusion + ".weight"], w[fusion + ".bias"]);  // 4
  // All networks add the weight error_comp to the output of the convolution, except int8 networks
  // of G7b to G7d. These int8 networks were trained without error_comp.
  if (w.facts.quantization != Quantization::int8 || first)
    z = z + w["quant_fusion_layer.error_comp"];
  const bool layer_norm = w.facts.norm_type == NormType::layernorm;
  if (layer_norm) z = trace.block("quant_fusion_layer", z);
  z = normalized(w, "norm", z);  // 5
  // `trace` gets the output of a LayerNorm as the layer "norm". `trace` gets the output of a norm
  // with stored statistics as the layer "quant_fusion_layer", because the converter folds this norm
  // into the convolution of quant_fusion_layer.
  z = trace.block(layer_norm ? "norm" : "quant_fusion_layer", z);
  z = trace.block("shortcut", z + shallow);
  const Value r = trace.block("conv_after_body", conv(w, "conv_after_body", z));
  z = trace.block("body_residual", r + z);
  return trace.block("conv_last", (tail(w, z, trace) + w["mean"]) * w.img_range());  // 6, 7
}

}  // namespace aether2onnx::verify
