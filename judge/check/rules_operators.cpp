// Operators: which ones a target knows, and from which version on.

#include <algorithm>
#include <array>
#include <map>
#include <string>

#include "base/error.h"
#include "base/text.h"
#include "judge/check/rules.h"

namespace aether2onnx::checks {

namespace {

struct OperatorRow {
  const char* op;
  std::int64_t opset;  // the first that has it
  Version tensorrt;    // the first that imports it; kNoEnd where none does
};

// Source of the opsets: ONNX's Operators.md; of the versions: docs/operators.md and
// docs/Changelog.md of onnx-tensorrt.
constexpr std::array kOperators = {
    OperatorRow{"LayerNormalization", 17, version(8, 6)},
    OperatorRow{"GroupNormalization", 18, version(8, 6)},
    OperatorRow{"Gelu", 20, version(10)},
    OperatorRow{"QLinearConv", 10, kNoEnd},
    OperatorRow{"QLinearMatMul", 10, kNoEnd},
    OperatorRow{"ConvInteger", 10, kNoEnd},
    OperatorRow{"MatMulInteger", 10, kNoEnd},
    OperatorRow{"DynamicQuantizeLinear", 11, kNoEnd},
};

const char* remedy_of(const Model& model, std::string_view op) {
  if (op == "Gelu" && model.has_type(type::bfloat16)) return kInsteadOfBfloat16;
  if (op == "LayerNormalization") {
    return "Convert with --opset_version 16, where it is written in simpler operators.";
  }
  if (op == "Gelu") {
    return "Convert with --opset_version 17, where it is written in simpler operators.";
  }
  return "Make the model again without this operator; quantize with QuantizeLinear and "
         "DequantizeLinear.";
}

std::map<std::string_view, Places> places_of_operators(const Model& model) {
  std::map<std::string_view, Places> places;
  for (const onnx::FileNode& node : model.file.nodes) {
    if (is_op(node, node.op_type)) places[node.op_type].add(name_of(node));
  }
  return places;
}

void operator_unsupported(const Model& model, Found& found) {
  const auto places = places_of_operators(model);
  for (const OperatorRow& row : kOperators) {
    const auto used = places.find(row.op);
    if (used == places.end()) continue;
    found.push_back({fmt::format("{}: the operator isn't imported",
                                 used->second.text(fmt::format("{} node", row.op))),
                     {tensorrt(Severity::error, before(row.tensorrt))},
                     remedy_of(model, row.op),
                     used->second.count});
  }
}

void operator_not_in_opset(const Model& model, Found& found) {
  if (model.opset <= 0) return;
  const auto places = places_of_operators(model);
  for (const OperatorRow& row : kOperators) {
    const auto used = places.find(row.op);
    if (used == places.end() || model.opset >= row.opset) continue;
    found.push_back(
        {fmt::format("{}: opset {} has no such operator; it came with opset {}",
                     used->second.text(fmt::format("{} node", row.op)), model.opset, row.opset),
         everywhere(Severity::error), "The file contradicts itself; convert the checkpoint again.",
         used->second.count});
  }
}

void control_flow(const Model& model, Found& found) {
  Places places;
  for (const onnx::FileNode& node : model.file.nodes) {
    if (is_op(node, "If") || is_op(node, "Loop") || is_op(node, "Scan")) places.add(name_of(node));
  }
  if (places.empty()) return;
  found.push_back(
      {places.text("node") + ": If, Loop or Scan; what is inside wasn't checked",
       {tensorrt(Severity::warning), vsmlrt(Severity::warning), videojanai(Severity::warning)},
       "AetherNet needs none; convert the checkpoint with aether2onnx.",
       places.count});
}

void foreign_operator(const Model& model, Found& found) {
  struct Use {
    Places places;
    bool function = false;  // whether the file brings its own definition
  };
  std::map<std::string_view, Use> domains;
  for (const onnx::FileNode& node : model.file.nodes) {
    if (is_op(node, node.op_type)) continue;
    Use& use = domains[node.domain];
    use.places.add(node.op_type);
    use.function = model.file.has_function(node.domain, node.op_type);
  }
  for (const auto& [domain, use] : domains) {
    const std::string what =
        fmt::format("{} of the domain '{}'", use.places.text("operator"), printable(domain));
    if (use.function) {
      found.push_back({what + ", defined as functions in the file",
                       {tensorrt(Severity::error, before(version(9))), videojanai(Severity::note),
                        vsmlrt(Severity::note)},
                       "Convert the checkpoint with aether2onnx, which writes no functions.",
                       use.places.count});
      continue;
    }
    std::vector<Concern> concerns = {tensorrt(Severity::error), vsmlrt(Severity::error),
                                     videojanai(Severity::error)};
    const bool own = domain == "com.microsoft" || domain == "ai.onnx.ml";
    if (!own) concerns.push_back(onnxruntime(Severity::error));
    found.push_back({what + (own ? ", which ONNX Runtime alone has" : ""), std::move(concerns),
                     "Convert the checkpoint with aether2onnx, which uses ONNX's own operators. A "
                     "file that ONNX Runtime has optimized is for it alone.",
                     use.places.count});
  }
}

void computed_shapes(const Model& model, Found& found) {
  if (!model.is_dynamic()) return;
  Places places;
  for (const onnx::FileNode& node : model.file.nodes) {
    if (is_op(node, "Shape")) places.add(name_of(node));
  }
  if (places.empty()) return;
  found.push_back({places.text("Shape node") + ": shapes are computed while the model runs",
                   {tensorrt(Severity::note)},
                   "AetherNet needs none; convert the checkpoint with aether2onnx.",
                   places.count});
}

constexpr std::array kRules = {
    Rule{"operator-unsupported", operator_unsupported},
    Rule{"operator-not-in-opset", operator_not_in_opset},
    Rule{"foreign-operator", foreign_operator},
    Rule{"control-flow", control_flow},
    Rule{"computed-shapes", computed_shapes},
};

}  // namespace

std::span<const Rule> operator_rules() { return kRules; }

}  // namespace aether2onnx::checks
