// Rules for types: inputs of different types, useless Casts, normalizations in half precision, and
// the precision of the whole model.

#include <algorithm>
#include <array>
#include <map>

#include "base/error.h"
#include "base/text.h"
#include "judge/check/check.h"

namespace aether2onnx::judge::check {

namespace {

using enum Severity;

// The first opset in which most operators accept bfloat16.
constexpr std::int64_t kBfloat16Opset = 22;

// Returns the value of --fp_mode that a remedy recommends: mixed precision with bfloat16 if the
// model has bfloat16, else mixed precision with float16.
const char* mixed_mode(const Model& model) {
  return model.has_type(type::bfloat16) ? "mixed_bf16" : "mixed_fp16";
}

std::string keep_normalizations(const Model& model) {
  return convert_with("fp_mode", mixed_mode(model)) +
         ", which keeps the normalizations in float32.";
}

// If inputs of the node must have the same type but have different types, returns a list of these
// types, for example "float16, float32". Otherwise returns "".
std::string disagreement(const Model& model, const onnx::Node& node) {
  const TypeRow* row = find_type_row(node);
  if (row == nullptr) return "";
  std::vector<int> seen;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    constexpr std::size_t bits = 32;
    if ((row->agree >> std::min(i, bits - 1) & 1U) == 0 || node.inputs[i].empty()) continue;
    const int data_type = model.type_of(node.inputs[i]);
    if (data_type == type::unknown) continue;
    if (std::find(seen.begin(), seen.end(), data_type) != seen.end()) continue;
    seen.push_back(data_type);
    names.push_back(onnx::type_text(data_type));
  }
  return names.size() < 2 ? "" : join(names, ", ");
}

void mixed(const Model& model, Found& found, bool normalizations) {
  std::map<std::string, Places> places;
  for (const onnx::Node& node : model.file.nodes) {
    if (is_op(node, "LayerNormalization") != normalizations) continue;
    const std::string types = disagreement(model, node);
    if (!types.empty()) places[types].add(name_of(node));
  }
  for (const auto& [types, nodes] : places) {
    found.add(nodes, "node", fmt::format("the inputs have different types ({})", types),
              everywhere(error),
              "ONNX requires one type for these inputs, and TensorRT adds no Cast. Convert the "
              "checkpoint with aether2onnx, which adds the Casts.");
  }
}

void mixed_types(const Model& model, Found& found) { mixed(model, found, false); }
void layernorm_mixed(const Model& model, Found& found) { mixed(model, found, true); }

// Reports Pow nodes whose two inputs have different types. ONNX allows different types here, but
// strongly typed TensorRT networks do not.
void pow_mixed(const Model& model, Found& found) {
  const Places places = nodes_where(model, [&](const onnx::Node& node) {
    if (!is_op(node, "Pow") || node.inputs.size() != 2) return false;
    const int base = model.type_of(input_of(node, 0));
    const int exponent = model.type_of(input_of(node, 1));
    return is_real(base) && is_real(exponent) && base != exponent;
  });
  found.add(
      places, "Pow node", "base and exponent have different types",
      {tensorrt(error, since(kOnlyStrongTyping)), tensorrt_rtx(error)},
      "Convert the checkpoint with aether2onnx, which gives base and exponent the same type.");
}

void output_type(const Model& model, Found& found) {
  for (const onnx::ValueInfo& output : model.file.outputs) {
    const int made = model.type_of(output.name);
    if (made == type::unknown || output.elem_type == 0 || made == output.elem_type) continue;
    found.add(fmt::format("the output '{}' is declared as {}, but the graph computes {}",
                          printable(output.name), onnx::type_text(output.elem_type),
                          onnx::type_text(made)),
              everywhere(error),
              "A program with a buffer of the declared type reads wrong numbers. Convert the "
              "checkpoint again.");
  }
}

void edge_type(const Model& model, Found& found) {
  const auto look = [&](const onnx::ValueInfo& value, const char* kind) {
    const int data_type = value.elem_type;
    if (data_type == type::float32 || data_type == type::float16) return;
    found.add(
        fmt::format("the {} '{}' has {}; programs that enlarge pictures use float32 or float16",
                    kind, printable(value.name),
                    data_type == 0 ? "no type" : "the type " + onnx::type_text(data_type)),
        players(error), convert_with("io_type", "fp32."));
  };
  if (model.inputs.size() == 1) look(*model.inputs[0], "input");
  if (model.file.outputs.size() == 1) look(model.file.outputs[0], "output");
}

// --- Casts ---

bool is_cast(const onnx::Node& node) { return is_op(node, "Cast") && node.inputs.size() == 1; }

void cast_useless(const Model& model, Found& found) {
  Places same;
  Places back;
  Places repeated;
  std::map<std::pair<std::string_view, int>, int> casts;
  for (const onnx::Node& node : model.file.nodes) {
    if (!is_cast(node)) continue;
    const int to = type_attribute(node, "to");
    const int from = model.type_of(input_of(node, 0));
    if (!is_real(to)) continue;
    if (from == to) same.add(name_of(node));
    if (casts[{input_of(node, 0), to}]++ > 0) repeated.add(name_of(node));
    const onnx::Node* earlier = model.maker_of(input_of(node, 0));
    if (earlier == nullptr || !is_cast(*earlier)) continue;
    if (from != to && is_real(from) && model.type_of(input_of(*earlier, 0)) == to) {
      back.add(name_of(node));
    }
  }
  const auto tell = [&](const Places& places, const char* what) {
    found.add(places, "Cast node", what, {tensorrt(warning), tensorrt_rtx(note), onnxruntime(note)},
              "A useless Cast takes time. If an earlier Cast converted the value to half "
              "precision, the value also lost digits. Convert the checkpoint with aether2onnx, "
              "which writes no useless Cast.");
  };
  tell(same, "the value already has this type");
  tell(back, "the Cast reverses the previous Cast");
  tell(repeated, "another Cast already converts the same value to the same type");
}

void cast_of_weight(const Model& model, Found& found) {
  const Places places = nodes_where(model, [&](const onnx::Node& node) {
    if (!is_cast(node)) return false;
    const auto constant = model.constants.find(input_of(node, 0));
    return constant != model.constants.end() && !constant->second->dims.empty() &&
           is_real(constant->second->data_type);
  });
  found.add(places, "Cast node", "converts a weight, which could be stored in the new type",
            {tensorrt(error, before(version(8, 5))), tensorrt(note)},
            "Convert the checkpoint with aether2onnx, which stores weights in their final type.");
}

// --- normalizations ---

void layernorm_half(const Model& model, Found& found) {
  const Places places = nodes_where(model, [&](const onnx::Node& node) {
    return is_op(node, "LayerNormalization") && !node.inputs.empty() &&
           is_half(model.type_of(input_of(node, 0)));
  });
  found.add(
      places, "LayerNormalization node",
      "the mean and the variance may overflow in half precision; strongly typed networks (TensorRT "
      "11 or newer, or --stronglyTyped) ignore the attribute stash_type, which asks for float32",
      {tensorrt(warning, since(kOnlyStrongTyping)),
       tensorrt(note, between(kStrongTyping, kOnlyStrongTyping))},
      keep_normalizations(model));
}

// Returns whether the node squares its input. Also returns true for a Pow node with an unknown
// exponent, because the exponent may be 2.
bool is_square(const Model& model, const onnx::Node& node) {
  if (is_op(node, "Mul")) return node.inputs.size() == 2 && input_of(node, 0) == input_of(node, 1);
  if (!is_op(node, "Pow") || node.inputs.size() != 2) return false;
  const auto exponent = numbers_of(model, input_of(node, 1));
  return !exponent || (exponent->size() == 1 && (*exponent)[0] == 2);
}

// Returns the nodes that compute a mean of squares: in half precision if `half`, else in a wider
// type. Such a mean is the variance of a normalization that is written in simpler operators.
Places variances(const Model& model, bool half) {
  return nodes_where(model, [&](const onnx::Node& node) {
    if (!is_op(node, "ReduceMean") || node.inputs.empty()) return false;
    const onnx::Node* maker = model.maker_of(input_of(node, 0));
    return maker != nullptr && is_square(model, *maker) &&
           is_half(model.type_of(input_of(node, 0))) == half;
  });
}

void half_statistics(const Model& model, Found& found) {
  found.add(variances(model, true), "ReduceMean node",
            "computes the variance of a normalization in half precision; squares of numbers beyond "
            "255 overflow",
            everywhere(warning), keep_normalizations(model));
}

void layernorm_decomposed(const Model& model, Found& found) {
  // With --fp16, TensorRT may compute float32 layers in half precision. Only versions of TensorRT
  // below `weak_end` have this problem. For 16-bit files, `weak_end` is 9.1, because from 9.1 on,
  // the command `engine` adds --stronglyTyped instead of --fp16. For other files, `weak_end` is 11,
  // because TensorRT 11 has no --fp16.
  const Version weak_end = model.has_half() ? kStrongTyping : kOnlyStrongTyping;
  std::string remedy = convert_with("opset_version", "17") +
                       ", which writes the operator LayerNormalization instead.";
  if (model.opset >= operator_row("LayerNormalization").opset) {
    remedy = fmt::format(
        "{} and build with --stronglyTyped (TensorRT 9.1 or newer), or convert with {} standard.",
        convert_with("fp_mode", mixed_mode(model)), option("graph_form"));
  }
  found.add(variances(model, false), "ReduceMean node",
            "computes the variance of a normalization in simple operators; the variance overflows "
            "if TensorRT computes it in half precision (--fp16)",
            {tensorrt(warning, between(version(8, 6), weak_end))}, remedy);
}

// --- the precision of the whole model ---

void fp32_only(const Model& model, Found& found) {
  const bool quantized =
      std::any_of(model.file.nodes.begin(), model.file.nodes.end(), [](const onnx::Node& node) {
        return is_op(node, "QuantizeLinear") || is_op(node, "DequantizeLinear");
      });
  if (model.has_half() || quantized || !model.has_type(type::float32)) return;
  found.add(
      "the whole model is float32; TensorRT 11 and newer have no --fp16 and build a float32 "
      "engine without a warning",
      {tensorrt(warning, since(kOnlyStrongTyping)), tensorrt_rtx(note)},
      "For speed: " + convert_with("fp_mode", "mixed_fp16."));
}

void bf16_opset(const Model& model, Found& found) {
  if (!model.has_type(type::bfloat16)) return;
  const std::string mixed_fp16 = option("fp_mode") + " mixed_fp16";
  if (model.opset > 0 && model.opset < kBfloat16Opset) {
    found.add(fmt::format("the model has bfloat16 values at opset {}; in this opset, most "
                          "operators do not accept bfloat16",
                          model.opset),
              everywhere(error),
              convert_with("opset_version", "22") + ", or with " + mixed_fp16 + ".");
  }
  found.add("the model has bfloat16 values, which need TensorRT 9.0 or newer",
            {tensorrt(error, before(kBfloat16))},
            "Convert the checkpoint with " + mixed_fp16 + " or fp32.");
}

void bf16_kernels(const Model& model, Found& found) {
  if (!model.has_type(type::bfloat16)) return;
  found.add(
      "the model has bfloat16 values; ONNX Runtime has few kernels for bfloat16, and on the CPU "
      "almost none",
      {itself(Target::onnxruntime, warning), itself(Target::directml, error),
       itself(Target::web, error), itself(Target::vsmlrt_ort, error),
       itself(Target::chainner, error)},
      convert_with("fp_mode", "fp32") + " for the CPU, with mixed_fp16 for GPUs.");
  const std::string_view lacking = row_of(Target::onnxruntime_cuda).no_bfloat16.value;
  const Places places = nodes_where(model, [&](const onnx::Node& node) {
    return is_one_of(lacking, node.op_type, ',') && is_op(node, node.op_type) &&
           model.type_of(input_of(node, 0)) == type::bfloat16;
  });
  found.add(places, "node", "ONNX Runtime's CUDA provider has no bfloat16 kernel for the operator",
            {itself(Target::onnxruntime_cuda, error)},
            convert_with("for", "onnxruntime-cuda") + ", or with " + option("fp_mode") + " fp16.");
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

}  // namespace aether2onnx::judge::check
