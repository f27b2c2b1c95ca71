// Rules for operators. The rules check whether the file's opset has an operator, and which versions
// of which targets (programs that run ONNX files) can run the operator.

#include <array>
#include <map>

#include "base/error.h"
#include "base/text.h"
#include "judge/check/check.h"
#include "judge/onnx_operators.h"

namespace aether2onnx::judge::check {

namespace {

using enum Severity;

std::string remedy_of(const Model& model, std::string_view op) {
  if (op == "Gelu" && model.has_type(type::bfloat16)) return instead_of_bfloat16();
  if (op == "LayerNormalization" || op == "Gelu") {
    return convert_with("opset_version", op == "Gelu" ? "17" : "16") +
           ", which writes simpler operators instead.";
  }
  return "Create the model again without this operator. To quantize, use QuantizeLinear and "
         "DequantizeLinear.";
}

Places nodes_of(const Model& model, const OperatorRow& row) {
  return nodes_where(model, [&](const onnx::Node& node) { return is_op(node, row.name); });
}

void operator_unsupported(const Model& model, Found& found) {
  for (const OperatorRow& row : operators()) {
    std::vector<Concern> concerns = {tensorrt(error, before(row.tensorrt))};
    if (row.tensorrt == kNoEnd) concerns.push_back(tensorrt_rtx(error));
    found.add(nodes_of(model, row), fmt::format("{} node", row.name),
              "TensorRT does not import this operator", std::move(concerns),
              remedy_of(model, row.name));
  }
}

void operator_not_in_opset(const Model& model, Found& found) {
  if (model.opset <= 0) return;
  for (const OperatorRow& row : operators()) {
    if (model.opset >= row.opset) continue;
    found.add(nodes_of(model, row), fmt::format("{} node", row.name),
              fmt::format("opset {} does not have this operator, which came with opset {}",
                          model.opset, row.opset),
              everywhere(error), "The file contradicts itself. Convert the checkpoint again.");
  }
}

void control_flow(const Model& model, Found& found) {
  const Places places = nodes_where(model, [](const onnx::Node& node) {
    return is_op(node, "If") || is_op(node, "Loop") || is_op(node, "Scan");
  });
  found.add(places, "node",
            "the operator is If, Loop or Scan; most rules do not check its inner graphs",
            both(both_tensorrts(warning), players(warning)),
            std::string("AetherNet does not need these operators. ") + kReconvert);
}

void foreign_operator(const Model& model, Found& found) {
  struct Use {
    Places places;
    bool functions = true;  // whether the file defines all these operators as functions
  };
  std::map<std::string_view, Use> domains;
  model.file.each_node([&](const onnx::Node& node) {
    if (onnx::is_onnx_domain(node.domain) || power_of(node) == Power::loads) return;
    Use& use = domains[node.domain];
    use.places.add(node.op_type);
    use.functions = use.functions && model.file.function_of(node) != nullptr;
  });
  for (const auto& [domain, use] : domains) {
    const std::string what =
        fmt::format("{} from the domain '{}'", use.places.text("operator"), printable(domain));
    if (use.functions) {
      found.add(what + ", defined as functions in the file",
                both({tensorrt(error, before(version(9)))}, players(note)),
                "Convert the checkpoint with aether2onnx, which writes no functions.",
                use.places.count);
      continue;
    }
    const bool own = domain == "com.microsoft" || domain == "ai.onnx.ml";
    std::vector<Concern> concerns = everywhere(error);
    if (own) {
      std::erase_if(concerns, [](const Concern& concern) {
        return row_of(concern.target).runtime == Target::onnxruntime;
      });
    }
    found.add(what + (own ? ", which only ONNX Runtime has" : ""), std::move(concerns),
              "Convert the checkpoint with aether2onnx, which uses ONNX's own operators. A file "
              "that ONNX Runtime has optimized runs only in ONNX Runtime.",
              use.places.count);
  }
}

void operator_unknown(const Model& model, Found& found) {
  Places places;
  model.file.each_node([&](const onnx::Node& node) {
    if (onnx::is_onnx_domain(node.domain) && power_of(node) == Power::unknown &&
        model.file.function_of(node) == nullptr) {
      places.add(node.op_type);
    }
  });
  found.add(
      places, "operator", "ONNX 1.23 and older do not have this operator", everywhere(warning),
      "Only programs with a plug-in for the operator run the file. " + std::string(kReconvert));
}

void operator_loads(const Model& model, Found& found) {
  std::map<std::string_view, Places> uses;  // key: what the operator does
  model.file.each_node([&](const onnx::Node& node) {
    if (power_of(node) == Power::loads) uses[load_text(node)].add(full_name(node));
  });
  for (const auto& [text, places] : uses) {
    found.add(
        places, "operator", text, everywhere(error),
        "Run this file only if you trust its author. A network does not need this operator. " +
            std::string(kReconvert));
  }
}

// Reports functions with an operator's name: some programs run the function, others the operator.
void operator_replaced(const Model& model, Found& found) {
  Places places;
  for (const onnx::Function& function : model.file.functions) {
    if (replaces_operator(function)) places.add(function.name);
  }
  found.add(places, "function",
            "has the name of an operator: some programs run the function, others run the operator",
            everywhere(error), kReconvert);
}

void functions_expand(const Model& model, Found& found) {
  const std::uint64_t nodes = expanded_nodes(model.file);
  if (nodes <= kTooManyNodes) return;
  found.add(nodes == kEndless ? std::string("a function of the file calls itself")
                              : fmt::format("with each function call replaced by the function's "
                                            "nodes, the graph has over {} nodes",
                                            with_thousands(kTooManyNodes)),
            everywhere(error), kReconvert);
}

void computed_shapes(const Model& model, Found& found) {
  if (!model.is_dynamic()) return;
  const Places places =
      nodes_where(model, [](const onnx::Node& node) { return is_op(node, "Shape"); });
  found.add(places, "Shape node", "the model computes shapes while it runs", {tensorrt(note)},
            std::string("AetherNet needs no Shape nodes; an exporter added them. ") + kReconvert);
}

constexpr std::array kRules = {
    Rule{"operator-unsupported", operator_unsupported},
    Rule{"operator-not-in-opset", operator_not_in_opset},
    Rule{"foreign-operator", foreign_operator},
    Rule{"operator-unknown", operator_unknown},
    Rule{"operator-loads", operator_loads},
    Rule{"operator-replaced", operator_replaced},
    Rule{"functions-expand", functions_expand},
    Rule{"control-flow", control_flow},
    Rule{"computed-shapes", computed_shapes},
};

}  // namespace

std::span<const Rule> operator_rules() { return kRules; }

}  // namespace aether2onnx::judge::check
