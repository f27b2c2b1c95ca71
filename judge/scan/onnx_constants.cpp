// Bounds the constants that ONNX Runtime computes while it loads a model. ONNX Runtime replaces a
// node whose inputs are all constant by the node's result (constant folding), so a small file could
// need much memory and time. ONNX Runtime also replaces a function's call by the nodes of the
// function, and the operator If by one of its graphs if the condition is constant.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "base/error.h"
#include "base/text.h"
#include "formats/onnx/onnx.h"
#include "judge/scan/onnx_values.h"
#include "judge/scan/scan.h"

namespace aether2onnx::judge::scan {

namespace {

template <typename Number>
std::vector<double> numbers_of(const TensorData& data) {
  std::vector<double> result;
  for (std::size_t at = 0; at + sizeof(Number) <= data.bytes.size(); at += sizeof(Number)) {
    Number number{};
    std::memcpy(&number, data.bytes.data() + at, sizeof(Number));
    result.push_back(static_cast<double>(number));
  }
  return result;
}

// Returns the elements of a tensor; nullopt for a type in which exporters write no sizes.
std::optional<std::vector<double>> to_numbers(const TensorData& data) {
  if (data.dtype == DType::int64) return numbers_of<std::int64_t>(data);
  if (data.dtype == DType::int32) return numbers_of<std::int32_t>(data);
  if (data.dtype == DType::float32) return numbers_of<float>(data);
  if (data.dtype == DType::float64) return numbers_of<double>(data);
  return std::nullopt;
}

// The values of the main graph with its inner graphs, or of one call of a function.
struct Scope {
  std::map<std::string, Constant> constants;
  const onnx::Node* caller = nullptr;  // the node that calls the function
};

using Nodes = std::vector<const onnx::Node*>;

class Constants {
 public:
  Constants(const onnx::Model& model, const File& file)
      : model_(model), file_(file), reader_(file.input, file.siblings) {
    model.each_tensor([&](const onnx::Tensor& tensor) {
      stored_ += std::min(count_of(tensor.dims), static_cast<double>(file.input.size()));
    });
    most_ = 16 * stored_ + (1 << 24);
  }

  // Returns the node with which the constants become too large; null if there is none.
  const onnx::Node* first_excess() {
    Scope scope;
    for (const onnx::Tensor& tensor : model_.initializers) add(scope, tensor.name, stored(tensor));
    std::vector<bool> in_function(model_.other_tensors.size(), false);
    for (const onnx::Function& function : model_.functions) {
      for (std::size_t i = function.first_tensor; i < function.end_tensor; ++i)
        in_function[i] = true;
    }
    for (std::size_t i = 0; i < in_function.size(); ++i) {
      other_tensors_.push_back(stored(model_.other_tensors[i]));
      if (!in_function[i]) add(scope, model_.other_tensors[i].name, other_tensors_[i]);
    }
    Nodes nodes;
    for (const onnx::Node& node : model_.nodes) nodes.push_back(&node);
    for (const onnx::Node& node : model_.inner_nodes) nodes.push_back(&node);
    fold(nodes, scope, 0);
    return excess_;
  }

 private:
  Constant stored(const onnx::Tensor& tensor) {
    constexpr std::size_t most_numbers = 64;
    Constant constant{count_of(tensor.dims)};
    if (tensor.dims.size() <= most_numbers) constant.dims = tensor.dims;
    if (!(constant.elements <= most_numbers)) return constant;
    try {
      constant.numbers = to_numbers(reader_.read(tensor));
    } catch (const Error&) {
      return constant;
    }
    const auto is_nan = [](double number) { return std::isnan(number); };
    if (constant.numbers &&
        std::any_of(constant.numbers->begin(), constant.numbers->end(), is_nan)) {
      constant.numbers.reset();
    }
    return constant;
  }

  // Returns whether the scope has changed. Inner graphs can use one name for several values.
  static bool add(Scope& scope, const std::string& name, Constant constant) {
    const auto [place, is_new] = scope.constants.try_emplace(name, constant);
    if (is_new) return true;
    Constant both = merged(place->second, constant);
    if (both == place->second) return false;
    place->second = std::move(both);
    return true;
  }

  // Adds the constants that the nodes make to the scope. Returns the number of elements of these
  // constants, including those in called functions. Sets `excess_` if there are too many.
  double fold(const Nodes& nodes, Scope& scope, int depth) {
    // Exporters write each node after the nodes that make its inputs, so two rounds find and
    // confirm every constant. Any other order can need a round for each node.
    constexpr int most_rounds = 20;
    for (int round = 0; excess_ == nullptr; ++round) {
      double sum = 0;
      bool changed = false;
      for (const onnx::Node* node : nodes) {
        if (!file_.budget.take(cost_of(*node))) return sum;
        const bool news = visit(*node, scope, depth, sum);
        changed = changed || news;
        if (!(sum <= most_) || (news && round == most_rounds)) excess_ = node;
        if (excess_ != nullptr) return sum;
      }
      if (!changed) return sum;
    }
    return 0;
  }

  // Returns the cost to evaluate a node once, in the units of budget.h.
  static std::uint64_t cost_of(const onnx::Node& node) {
    std::uint64_t parts = 1 + node.inputs.size() + node.outputs.size() + node.graph_outputs.size();
    for (const auto& [name, value] : node.attributes) {
      const auto* list = std::get_if<std::vector<std::int64_t>>(&value);
      const auto* text = std::get_if<std::string>(&value);
      parts += 1 + (list == nullptr ? 0 : list->size() / 64) +
               (text == nullptr ? 0 : text->size() / 512);
    }
    return parts * cost::kNodePart;
  }

  // Evaluates one node. Adds the elements of its constants to `sum`. Returns whether the scope has
  // changed.
  bool visit(const onnx::Node& node, Scope& scope, int depth, double& sum) {
    if (const onnx::Function* function = model_.function_of(node)) {
      return call(node, *function, scope, depth, sum);
    }
    if (node.op_type == "If") return take_branches(node, scope);
    if (is_one_of("Loop Scan", node.op_type)) return false;
    const std::optional<Constant> result = constant(node, scope);
    if (!result) return false;
    if (node.op_type != "Constant") {
      sum += result->elements * static_cast<double>(node.outputs.size());
    }
    bool changed = false;
    for (const std::string& output : node.outputs) changed = add(scope, output, *result) || changed;
    return changed;
  }

  std::optional<Constant> constant(const onnx::Node& node, const Scope& scope) const {
    if (node.op_type == "Constant" && onnx::is_onnx_domain(node.domain)) {
      // A tensor in the attribute `value` is in the scope already.
      const bool is_known = !node.outputs.empty() && scope.constants.contains(node.outputs[0]);
      if (is_known && node.attributes.empty()) return std::nullopt;
      return constant_of(node, scope.caller, static_cast<double>(file_.input.size()));
    }
    std::vector<const Constant*> inputs;
    bool any = false;
    for (const std::string& name : node.inputs) {
      const auto found = scope.constants.find(name);
      if (!name.empty() && found == scope.constants.end()) return std::nullopt;
      inputs.push_back(name.empty() ? nullptr : &found->second);
      any = any || !name.empty();
    }
    if (!any) return std::nullopt;
    return result_of(node, inputs, fill_of(node));
  }

  // Returns the number with which ConstantOfShape fills its output. The default is 0.
  std::optional<double> fill_of(const onnx::Node& node) const {
    const bool is_reference = !node.references.empty();
    if (!node.value_tensor) return is_reference ? std::nullopt : std::optional<double>(0);
    const auto& numbers = other_tensors_[*node.value_tensor].numbers;
    return numbers && numbers->size() == 1 ? std::optional(numbers->front()) : std::nullopt;
  }

  // ONNX Runtime replaces If by one of its graphs if the condition is constant.
  bool take_branches(const onnx::Node& node, Scope& scope) const {
    const bool is_known = !node.inputs.empty() && scope.constants.contains(node.inputs[0]);
    if (!is_known || node.outputs.empty()) return false;
    bool changed = false;
    for (std::size_t i = 0; i < node.graph_outputs.size(); ++i) {
      const auto found = scope.constants.find(node.graph_outputs[i]);
      if (found == scope.constants.end()) continue;
      const Constant value = found->second;
      changed = add(scope, node.outputs[i % node.outputs.size()], value) || changed;
    }
    // The graphs are attributes of the function's call.
    for (std::size_t i = 0; i < node.outputs.size() && !node.references.empty(); ++i) {
      const Constant unknown{static_cast<double>(file_.input.size())};
      changed = add(scope, node.outputs[i], unknown) || changed;
    }
    return changed;
  }

  bool call(const onnx::Node& node, const onnx::Function& function, Scope& scope, int depth,
            double& sum) {
    constexpr int deepest = 100;
    if (depth == deepest) {
      excess_ = &node;
      return false;
    }
    if (!file_.budget.take(cost::kNodePart * (function.end_tensor - function.first_tensor)))
      return false;
    Scope inner;
    inner.caller = &node;
    for (std::size_t i = function.first_tensor; i < function.end_tensor; ++i) {
      add(inner, model_.other_tensors[i].name, other_tensors_[i]);
    }
    for (std::size_t i = 0; i < std::min(node.inputs.size(), function.inputs.size()); ++i) {
      if (const auto found = scope.constants.find(node.inputs[i]); found != scope.constants.end()) {
        add(inner, function.inputs[i], found->second);
      }
    }
    Nodes nodes;
    for (const onnx::Node& part : function.nodes) nodes.push_back(&part);
    sum += fold(nodes, inner, depth + 1);
    bool changed = false;
    for (std::size_t i = 0; i < std::min(node.outputs.size(), function.outputs.size()); ++i) {
      const std::string& result = function.outputs[i];
      if (const auto found = inner.constants.find(result); found != inner.constants.end()) {
        changed = add(scope, node.outputs[i], found->second) || changed;
      }
    }
    return changed;
  }

  const onnx::Model& model_;
  const File& file_;
  onnx::TensorReader reader_;
  double stored_ = 0;  // the elements of all tensors in the file
  double most_ = 0;    // the limit for the elements of all constants
  std::vector<Constant> other_tensors_;
  const onnx::Node* excess_ = nullptr;
};

}  // namespace

void judge_constants(const onnx::Model& model, const File& file) {
  const onnx::Node* node = Constants(model, file).first_excess();
  if (node == nullptr) return;
  file.collector.unclear("constants",
                         "while ONNX Runtime loads the file, the operator {} makes constants that "
                         "may be much larger than the file",
                         printable(node->op_type, 60));
}

}  // namespace aether2onnx::judge::scan
