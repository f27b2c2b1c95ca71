// QuantizeLinear and DequantizeLinear, as TensorRT takes them.

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "judge/check/rules.h"

namespace aether2onnx::checks {

namespace {

bool is_quantize(const onnx::FileNode& node) { return is_op(node, "QuantizeLinear"); }
bool is_either(const onnx::FileNode& node) {
  return is_quantize(node) || is_op(node, "DequantizeLinear");
}

template <typename Condition>
Places nodes_where(const Model& model, Condition condition) {
  Places places;
  for (const onnx::FileNode& node : model.file.nodes) {
    if (is_either(node) && node.inputs.size() >= 2 && condition(node)) places.add(name_of(node));
  }
  return places;
}

const std::string* zero_point(const onnx::FileNode& node) {
  return node.inputs.size() > 2 && !node.inputs[2].empty() ? &node.inputs[2] : nullptr;
}

// Whether the constant has a byte that isn't zero. Zero is all bytes zero in every type there.
bool has_nonzero(const Model& model, const std::string& name) {
  const auto constant = model.constants.find(name);
  if (constant == model.constants.end() || !constant->second->external_file.empty()) return false;
  try {
    const TensorData data = onnx::read_tensor(*constant->second, model.input, nullptr);
    return std::any_of(data.bytes.begin(), data.bytes.end(),
                       [](std::byte byte) { return byte != std::byte{}; });
  } catch (const Error& error) {
    if (must_pass_on(error)) throw;
    return false;
  }
}

void qdq_zero_point(const Model& model, Found& found) {
  const Places places = nodes_where(model, [&](const onnx::FileNode& node) {
    const std::string* zero = zero_point(node);
    return zero != nullptr && has_nonzero(model, *zero);
  });
  if (places.empty()) return;
  found.push_back({places.text("node") + ": a zero point that isn't 0",
                   {tensorrt(Severity::error)},
                   "TensorRT takes symmetric quantization alone: quantize again with int8 and zero "
                   "points of 0.",
                   places.count});
}

void qdq_uint8(const Model& model, Found& found) {
  const Places places = nodes_where(model, [&](const onnx::FileNode& node) {
    const std::string* zero = zero_point(node);
    if (zero != nullptr) return model.type_of(*zero) == type::uint8;
    return is_quantize(node) && !node.attributes.contains("output_dtype");
  });
  if (places.empty()) return;
  found.push_back({places.text("node") +
                       ": quantized to uint8 (what ONNX means without a zero point), which "
                       "TensorRT takes for int8",
                   {tensorrt(Severity::warning)},
                   "Quantize again with int8 zero points of 0.",
                   places.count});
}

void qdq_scale(const Model& model, Found& found) {
  const Places computed = nodes_where(
      model, [&](const onnx::FileNode& node) { return !model.constants.contains(node.inputs[1]); });
  if (!computed.empty()) {
    found.push_back({computed.text("node") + ": a scale that is no constant",
                     {tensorrt(Severity::warning)},
                     "Quantize again with scales that are stored in the file.",
                     computed.count});
  }
  const Places wrong = nodes_where(model, [&](const onnx::FileNode& node) {
    const auto scale = numbers_of(model, node.inputs[1]);
    return scale && !std::all_of(scale->begin(), scale->end(), [](double s) { return s > 0; });
  });
  if (wrong.empty()) return;
  found.push_back({wrong.text("node") + ": a scale that isn't above 0",
                   {tensorrt(Severity::error)},
                   "Quantize again; a channel without any range gets a small scale.",
                   wrong.count});
}

void qdq_scale_type(const Model& model, Found& found) {
  constexpr std::int64_t half_scales = 19;  // the opset that brought them
  if (model.opset <= 0 || model.opset >= half_scales) return;
  const Places places = nodes_where(
      model, [&](const onnx::FileNode& node) { return is_half(model.type_of(node.inputs[1])); });
  if (places.empty()) return;
  found.push_back({fmt::format("{}: a scale in half precision, which opset {} doesn't have",
                               places.text("node"), model.opset),
                   {onnxruntime(Severity::error), vsmlrt(Severity::warning)},
                   "Make the model again with opset 19 or higher.",
                   places.count});
}

void qdq_per_channel(const Model& model, Found& found) {
  const Places places = nodes_where(model, [&](const onnx::FileNode& node) {
    if (!is_quantize(node) || model.constants.contains(node.inputs[0])) return false;
    const auto scale = numbers_of(model, node.inputs[1]);
    return scale && scale->size() > 1;
  });
  if (places.empty()) return;
  found.push_back({places.text("QuantizeLinear node") + ": a scale a channel for a feature map",
                   {tensorrt(Severity::error)},
                   "TensorRT takes scales a channel for weights alone: quantize feature maps with "
                   "one scale.",
                   places.count});
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

}  // namespace aether2onnx::checks
