// Rules for QuantizeLinear and DequantizeLinear: what TensorRT and ONNX Runtime do not support.

#include <algorithm>
#include <array>

#include "base/error.h"
#include "judge/check/check.h"

namespace aether2onnx::judge::check {

namespace {

using enum Severity;

bool is_quantize(const onnx::Node& node) { return is_op(node, "QuantizeLinear"); }

// Returns the QuantizeLinear and DequantizeLinear nodes that have a scale and for which `condition`
// is true.
template <typename Condition>
Places quantizers_where(const Model& model, Condition condition) {
  return nodes_where(model, [&](const onnx::Node& node) {
    return (is_quantize(node) || is_op(node, "DequantizeLinear")) && node.inputs.size() >= 2 &&
           condition(node);
  });
}

const std::string* zero_point(const onnx::Node& node) {
  return node.inputs.size() > 2 && !node.inputs[2].empty() ? &node.inputs[2] : nullptr;
}

// Returns whether the zero point `name` is a constant that is not 0. Compares only bytes: in all
// types of zero points, all bytes of the number 0 are 0.
bool has_nonzero(const Model& model, const std::string& name) {
  const auto constant = model.constants.find(name);
  if (constant == model.constants.end() || !constant->second->external_file.empty()) return false;
  try {
    const TensorData data = onnx::read_tensor(*constant->second, model.input, nullptr);
    return std::any_of(data.bytes.begin(), data.bytes.end(),
                       [](std::byte byte) { return byte != std::byte{}; });
  } catch (const Error& problem) {
    if (must_pass_on(problem)) throw;
    return false;
  }
}

void qdq_zero_point(const Model& model, Found& found) {
  const Places places = quantizers_where(model, [&](const onnx::Node& node) {
    const std::string* zero = zero_point(node);
    return zero != nullptr && has_nonzero(model, *zero);
  });
  found.add(places, "node", "the zero point is not 0", both_tensorrts(error),
            "TensorRT reads only symmetric quantization. Quantize again with int8 and zero points "
            "of 0.");
}

void qdq_uint8(const Model& model, Found& found) {
  const Places places = quantizers_where(model, [&](const onnx::Node& node) {
    const std::string* zero = zero_point(node);
    if (zero != nullptr) return model.type_of(*zero) == type::uint8;
    return is_quantize(node) && !node.attributes.contains("output_dtype");
  });
  found.add(
      places, "node",
      "quantized to uint8 (ONNX's default without a zero point), which TensorRT reads as int8",
      {tensorrt(warning), tensorrt_rtx(error)}, "Quantize again with int8 zero points of 0.");
}

void qdq_scale(const Model& model, Found& found) {
  const Places computed = quantizers_where(
      model, [&](const onnx::Node& node) { return !model.constants.contains(input_of(node, 1)); });
  found.add(computed, "node", "the scale is not a constant", both_tensorrts(warning),
            "Quantize again with scales that are stored in the file.");
  const Places wrong = quantizers_where(model, [&](const onnx::Node& node) {
    const auto scale = numbers_of(model, input_of(node, 1));
    return scale && !std::all_of(scale->begin(), scale->end(), [](double s) { return s > 0; });
  });
  found.add(wrong, "node", "the scale is not above 0", both_tensorrts(error),
            "Quantize again. A channel whose values are all equal needs a small positive scale.");
}

void qdq_scale_type(const Model& model, Found& found) {
  constexpr std::int64_t half_scales = 19;  // the first opset with scales in half precision
  if (model.opset <= 0 || model.opset >= half_scales) return;
  const Places places = quantizers_where(
      model, [&](const onnx::Node& node) { return is_half(model.type_of(input_of(node, 1))); });
  found.add(
      places, "node",
      fmt::format("the scale is in half precision, which opset {} does not allow", model.opset),
      {onnxruntime(error), itself(Target::vsmlrt, warning)},
      "Create the model again with opset 19 or higher.");
}

void qdq_per_channel(const Model& model, Found& found) {
  const Places places = quantizers_where(model, [&](const onnx::Node& node) {
    if (!is_quantize(node) || model.constants.contains(input_of(node, 0))) return false;
    const auto scale = numbers_of(model, input_of(node, 1));
    return scale && scale->size() > 1;
  });
  found.add(places, "QuantizeLinear node", "a feature map has one scale per channel",
            both_tensorrts(error),
            "TensorRT reads scales per channel only for weights. Quantize feature maps with one "
            "scale.");
}

constexpr std::array kRules = {
    Rule{"qdq-zero-point", qdq_zero_point},
    Rule{"qdq-uint8", qdq_uint8},
    Rule{"qdq-scale", qdq_scale},
    Rule{"qdq-scale-type", qdq_scale_type},
    Rule{"qdq-per-channel", qdq_per_channel},
};

}  // namespace

std::span<const Rule> quantization_rules() { return kRules; }

}  // namespace aether2onnx::judge::check
