// Types: what strongly typed networks refuse, casts that do nothing, statistics in half precision.

#include <algorithm>
#include <array>
#include <map>

#include "base/error.h"
#include "base/text.h"
#include "judge/check/rules.h"

namespace aether2onnx::checks {

namespace {

// The first opset in which most operators take bfloat16.
constexpr std::int64_t kBfloat16Opset = 22;
constexpr std::int64_t kLayerNormalizationOpset = 17;
constexpr Version kStronglyTyped = version(11);  // an option before, from 9.1 on
constexpr const char* kMixed =
    "Convert with --fp_mode mixed_fp16, which keeps the normalizations in float32.";

// The types of the inputs that have to agree, where they don't: "float16, float32"; "" otherwise.
std::string disagreement(const Model& model, const onnx::FileNode& node) {
  const TypeRow* row = find_type_row(node);
  if (row == nullptr) return "";
  std::vector<int> seen;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    constexpr std::size_t bits = 32;
    if ((row->agree >> std::min(i, bits - 1) & 1U) == 0 || node.inputs[i].empty()) continue;
    const int data_type = model.type_of(node.inputs[i]);
    if (data_type == type::unknown) continue;
    if (std::find(seen.begin(), seen.end(), data_type) == seen.end()) seen.push_back(data_type);
  }
  if (seen.size() < 2) return "";
  std::string text;
  for (const int data_type : seen) {
    text += (text.empty() ? "" : ", ") + onnx::type_text(data_type);
  }
  return text;
}

void mixed(const Model& model, Found& found, bool normalizations) {
  std::map<std::string, Places> places;
  for (const onnx::FileNode& node : model.file.nodes) {
    if (is_op(node, "LayerNormalization") != normalizations) continue;
    const std::string types = disagreement(model, node);
    if (!types.empty()) places[types].add(name_of(node));
  }
  for (const auto& [types, nodes] : places) {
    found.push_back(
        {fmt::format("{}: inputs of different types ({})", nodes.text("node"), types),
         everywhere(Severity::error),
         "ONNX allows one type there, and TensorRT casts nothing by itself. Convert the "
         "checkpoint with aether2onnx, which places the casts.",
         nodes.count});
  }
}

void mixed_types(const Model& model, Found& found) { mixed(model, found, false); }
void layernorm_mixed(const Model& model, Found& found) { mixed(model, found, true); }

// Pow may mix types in ONNX, and not in a strongly typed network.
void pow_mixed(const Model& model, Found& found) {
  Places places;
  for (const onnx::FileNode& node : model.file.nodes) {
    if (!is_op(node, "Pow") || node.inputs.size() != 2) continue;
    const int base = model.type_of(node.inputs[0]);
    const int exponent = model.type_of(node.inputs[1]);
    if (is_real(base) && is_real(exponent) && base != exponent) places.add(name_of(node));
  }
  if (places.empty()) return;
  found.push_back({places.text("Pow node") + ": base and exponent of different types",
                   {tensorrt(Severity::error, since(kStronglyTyped))},
                   "Convert the checkpoint with aether2onnx, which gives both one type.",
                   places.count});
}

void output_type(const Model& model, Found& found) {
  for (const onnx::FileValue& output : model.file.outputs) {
    const int made = model.type_of(output.name);
    if (made == type::unknown || output.elem_type == 0 || made == output.elem_type) continue;
    found.push_back(
        {fmt::format("the output '{}' is said to be {} and is {}", printable(output.name),
                     onnx::type_text(output.elem_type), onnx::type_text(made)),
         everywhere(Severity::error),
         "A program that binds a buffer of the stated type reads garbage. Convert the "
         "checkpoint again."});
  }
}

void edge_type(const Model& model, Found& found) {
  const auto look = [&](const onnx::FileValue& value, const char* kind) {
    const int data_type = value.elem_type;
    if (data_type == type::float32 || data_type == type::float16) return;
    found.push_back({fmt::format("the {} '{}' is {}; players feed and take float32 or float16",
                                 kind, printable(value.name),
                                 data_type == 0 ? "of no type" : onnx::type_text(data_type)),
                     {vsmlrt(Severity::error), videojanai(Severity::error)},
                     "Convert with --io_type fp32."});
  };
  if (model.inputs.size() == 1) look(*model.inputs[0], "input");
  if (model.file.outputs.size() == 1) look(model.file.outputs[0], "output");
}

// --- casts ---

int target_of(const onnx::FileNode& cast) {
  const auto to = cast.attributes.find("to");
  if (to == cast.attributes.end() || !std::holds_alternative<std::int64_t>(to->second)) return 0;
  const std::int64_t number = std::get<std::int64_t>(to->second);
  return number > 0 && number <= 0xffff ? static_cast<int>(number) : 0;
}

void cast_useless(const Model& model, Found& found) {
  Places same;
  Places back;
  Places repeated;
  std::map<std::pair<std::string_view, int>, int> casts;
  for (const onnx::FileNode& node : model.file.nodes) {
    if (!is_op(node, "Cast") || node.inputs.size() != 1) continue;
    const int to = target_of(node);
    const int from = model.type_of(node.inputs[0]);
    if (to == 0 || !is_real(to)) continue;
    if (from == to) same.add(name_of(node));
    if (casts[{node.inputs[0], to}]++ > 0) repeated.add(name_of(node));
    const auto maker = model.makers.find(node.inputs[0]);
    if (maker == model.makers.end() || !is_op(*maker->second, "Cast")) continue;
    const onnx::FileNode& earlier = *maker->second;
    if (from != to && earlier.inputs.size() == 1 && is_real(from) &&
        model.type_of(earlier.inputs[0]) == to) {
      back.add(name_of(node));
    }
  }
  const auto tell = [&](const Places& places, const char* what) {
    if (places.empty()) return;
    found.push_back({places.text("Cast node") + what,
                     {tensorrt(Severity::warning), onnxruntime(Severity::note)},
                     "It costs time, and digits where half precision lies between. Convert the "
                     "checkpoint with aether2onnx, which places none such.",
                     places.count});
  };
  tell(same, ": to the type that the value has already");
  tell(back, ": takes back the Cast before it");
  tell(repeated, ": the same value is cast to the same type more than once");
}

void cast_of_weight(const Model& model, Found& found) {
  Places places;
  for (const onnx::FileNode& node : model.file.nodes) {
    if (!is_op(node, "Cast") || node.inputs.size() != 1) continue;
    const auto constant = model.constants.find(node.inputs[0]);
    if (constant == model.constants.end() || constant->second->dims.empty()) continue;
    if (is_real(constant->second->data_type)) places.add(name_of(node));
  }
  if (places.empty()) return;
  found.push_back({places.text("Cast node") + ": of a weight, which could be stored in that type",
                   {tensorrt(Severity::error, before(version(8, 5))), tensorrt(Severity::note)},
                   "Convert the checkpoint with aether2onnx, which casts weights once.",
                   places.count});
}

// --- normalizations ---

bool has_half(const Model& model) {
  return model.has_type(type::float16) || model.has_type(type::bfloat16);
}

void layernorm_half(const Model& model, Found& found) {
  Places places;
  for (const onnx::FileNode& node : model.file.nodes) {
    if (!is_op(node, "LayerNormalization") || node.inputs.empty()) continue;
    if (is_half(model.type_of(node.inputs[0]))) places.add(name_of(node));
  }
  if (places.empty()) return;
  found.push_back({places.text("LayerNormalization node") +
                       ": in half precision; strongly typed networks (TensorRT 11; --stronglyTyped "
                       "before) don't honour stash_type, so that statistics may overflow",
                   {tensorrt(Severity::warning, since(kStronglyTyped)),
                    tensorrt(Severity::note, between(version(9, 1), kStronglyTyped))},
                   kMixed,
                   places.count});
}

// Whether the node squares its input.
bool is_square(const Model& model, const onnx::FileNode& node) {
  if (is_op(node, "Mul")) return node.inputs.size() == 2 && node.inputs[0] == node.inputs[1];
  if (!is_op(node, "Pow") || node.inputs.size() != 2) return false;
  const auto exponent = numbers_of(model, node.inputs[1]);
  return !exponent || (exponent->size() == 1 && (*exponent)[0] == 2);
}

// A mean over squares: the variance of a normalization that is written in simpler operators.
void decomposed(const Model& model, Found& found, bool half) {
  Places places;
  for (const onnx::FileNode& node : model.file.nodes) {
    if (!is_op(node, "ReduceMean") || node.inputs.empty()) continue;
    const auto maker = model.makers.find(node.inputs[0]);
    if (maker == model.makers.end() || !is_square(model, *maker->second)) continue;
    if (is_half(model.type_of(node.inputs[0])) == half) places.add(name_of(node));
  }
  if (places.empty()) return;
  if (half) {
    found.push_back({places.text("ReduceMean node") +
                         ": the variance of a normalization in half precision, whose squares "
                         "overflow beyond 255",
                     everywhere(Severity::warning), kMixed, places.count});
  } else {
    // A typed file is built with --stronglyTyped where there is that.
    const Version weak_end = has_half(model) ? version(9, 1) : kStronglyTyped;
    found.push_back({places.text("ReduceMean node") +
                         ": a normalization in simpler operators, which overflows where TensorRT "
                         "computes it in half precision (--fp16)",
                     {tensorrt(Severity::warning, between(version(8, 6), weak_end))},
                     model.opset < kLayerNormalizationOpset
                         ? "Convert with --opset_version 17, which has LayerNormalization."
                         : "Convert with --fp_mode mixed_fp16 and build with --stronglyTyped "
                           "(TensorRT 9.1 or newer), or convert with --graph_form standard.",
                     places.count});
  }
}

void half_statistics(const Model& model, Found& found) { decomposed(model, found, true); }
void layernorm_decomposed(const Model& model, Found& found) { decomposed(model, found, false); }

// --- the precision as a whole ---

bool is_quantized(const Model& model) {
  return std::any_of(model.file.nodes.begin(), model.file.nodes.end(), [](const auto& node) {
    return is_op(node, "QuantizeLinear") || is_op(node, "DequantizeLinear");
  });
}

void fp32_only(const Model& model, Found& found) {
  if (has_half(model) || is_quantized(model) || !model.has_type(type::float32)) return;
  found.push_back(
      {"the model is float32 throughout; from TensorRT 11 on, which has no --fp16, its "
       "engine computes in float32, without a word",
       {tensorrt(Severity::warning, since(kStronglyTyped))},
       "For speed convert with --fp_mode mixed_fp16."});
}

void bf16_opset(const Model& model, Found& found) {
  if (!model.has_type(type::bfloat16)) return;
  if (model.opset > 0 && model.opset < kBfloat16Opset) {
    found.push_back({fmt::format("bfloat16 values at opset {}, in which most operators don't take "
                                 "them",
                                 model.opset),
                     everywhere(Severity::error),
                     "Convert with --opset_version 22, or with --fp_mode mixed_fp16."});
  }
  found.push_back({"bfloat16 values, which TensorRT knows from 9.0 on, on GPUs since Ampere",
                   {tensorrt(Severity::error, before(version(9)))},
                   "Convert with --fp_mode mixed_fp16 or fp32."});
}

void bf16_kernels(const Model& model, Found& found) {
  if (!model.has_type(type::bfloat16)) return;
  found.push_back(
      {"bfloat16 values, for which ONNX Runtime has few kernels, on the CPU next to "
       "none",
       {onnxruntime(Severity::warning)},
       "Convert with --fp_mode fp32 for the CPU, mixed_fp16 for GPUs."});
}

constexpr std::array kRules = {
    Rule{"mixed-types", mixed_types},
    Rule{"layernorm-mixed", layernorm_mixed},
    Rule{"pow-mixed", pow_mixed},
    Rule{"output-type", output_type},
    Rule{"edge-type", edge_type},
    Rule{"cast-useless", cast_useless},
    Rule{"cast-of-weight", cast_of_weight},
    Rule{"layernorm-half", layernorm_half},
    Rule{"half-statistics", half_statistics},
    Rule{"layernorm-decomposed", layernorm_decomposed},
    Rule{"fp32-only", fp32_only},
    Rule{"bf16-opset", bf16_opset},
    Rule{"bf16-kernels", bf16_kernels},
};

}  // namespace

std::span<const Rule> type_rules() { return kRules; }

}  // namespace aether2onnx::checks
