// Bounds the constants that ONNX Runtime computes while it loads a model. ONNX Runtime replaces a
// node whose inputs are all constant by the node's result (constant folding), so a small file could
// need much memory and time. The result of the operator Shape is a constant too, if the shape is
// the same for all inputs of the model. ONNX Runtime also replaces a function's call by the nodes
// of the function, and the operator If by one of its graphs if the condition is constant.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "formats/onnx/onnx.h"
#include "judge/scan/onnx_shapes.h"
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

// Returns the elements of a tensor, which operators such as Reshape may use as sizes. Returns
// nullopt for the types that exporters do not use for sizes.
std::optional<std::vector<double>> to_numbers(const TensorData& data) {
  if (data.dtype == DType::int64) return numbers_of<std::int64_t>(data);
  if (data.dtype == DType::int32) return numbers_of<std::int32_t>(data);
  if (data.dtype == DType::float32) return numbers_of<float>(data);
  if (data.dtype == DType::float64) return numbers_of<double>(data);
  return std::nullopt;
}

constexpr std::int64_t kOpen = -1;  // the size of an axis that the file leaves open

// Returns the size in ValueInfo::dims.
std::int64_t size_of(const std::string& text) {
  std::int64_t size = kOpen;
  const char* end = text.data() + text.size();
  const auto [read, error] = std::from_chars(text.data(), end, size);
  return error == std::errc() && read == end && size >= 0 ? size : kOpen;
}

// The shapes that the file states for values, by the name of the value. A shape is unknown if the
// file states several shapes for one name. If ONNX Runtime cannot compute the size of an axis, ONNX
// Runtime uses the stated size.
using Stated = std::map<std::string, Shape>;

void add(Stated& stated, const std::vector<onnx::ValueInfo>& values) {
  for (const onnx::ValueInfo& value : values) {
    if (!value.has_shape) continue;
    Shape shape = Dims();
    for (const std::string& text : value.dims) shape->push_back(size_of(text));
    if (shape->size() > kMostNumbers) shape.reset();
    const auto [place, is_new] = stated.try_emplace(value.name, shape);
    if (!is_new && place->second != shape) place->second.reset();
  }
}

// Returns whether `stated` is known and has the sizes `dims`. The size kOpen matches every size.
bool agrees(const Dims& dims, const Shape& stated) {
  return stated && std::equal(dims.begin(), dims.end(), stated->begin(), stated->end(),
                              [](std::int64_t size, std::int64_t statement) {
                                return statement == kOpen || statement == size;
                              });
}

// The values of the main graph with its inner graphs, or of one call of a function.
struct Scope {
  const Stated& stated;
  const onnx::Node* caller = nullptr;  // the node that calls the function
  std::map<std::string, Value> values = {};
  std::set<std::string> left_out = {};  // the inputs of the function that the call leaves out
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
    for (const onnx::Function& function : model.functions) {
      scan::add(stated_.emplace_back(), function.value_info);
    }
  }

  // Returns the node with which the constants become too large; null if there is none.
  const onnx::Node* first_excess() {
    Stated stated;
    scan::add(stated, model_.value_info);
    scan::add(stated, model_.outputs);
    Scope scope{stated};
    for (const onnx::ValueInfo* input : onnx::open_inputs(model_)) {
      add(scope, input->name, input_of(*input));
    }
    for (const std::string& name : model_.inner_inputs) add(scope, name, {false});
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
    fold(main_nodes(), scope, 0);
    return excess_;
  }

 private:
  // Returns the nodes of the main graph. The nodes of inner graphs are before the node that has
  // these graphs.
  Nodes main_nodes() const {
    Nodes nodes;
    auto inner = model_.inner_nodes.begin();
    for (const onnx::Node& node : model_.nodes) {
      const auto end = model_.inner_nodes.begin() + static_cast<std::ptrdiff_t>(node.inner_end);
      for (; inner < end; ++inner) nodes.push_back(&*inner);
      nodes.push_back(&node);
    }
    for (; inner < model_.inner_nodes.end(); ++inner) nodes.push_back(&*inner);
    return nodes;
  }

  static Value input_of(const onnx::ValueInfo& input) {
    Value value{false};
    if (!input.has_shape || input.dims.size() > kMostNumbers) return value;
    value.dims = Dims();
    for (const std::string& text : input.dims) {
      // The first of several axes is the batch (number of pictures). If the file leaves the size of
      // the batch open, scan assumes 1. For any other open axis, scan assumes kOpenSize.
      const bool is_batch = value.dims->empty() && input.dims.size() > 1;
      const std::int64_t size = size_of(text);
      value.dims->push_back(size != kOpen ? size : is_batch ? 1 : kOpenSize);
    }
    return value;
  }

  Value stored(const onnx::Tensor& tensor) {
    Value value{true, count_of(tensor.dims)};
    const bool is_shape = std::all_of(tensor.dims.begin(), tensor.dims.end(),
                                      [](std::int64_t size) { return size >= 0; });
    if (!is_shape || tensor.dims.size() > kMostNumbers) return value;
    value.dims = tensor.dims;
    if (!(value.elements <= static_cast<double>(kMostNumbers))) return value;
    try {
      const TensorData data = reader_.read(tensor);
      value.numbers = to_numbers(data);
      value.is_integer = data.dtype == DType::int64 || data.dtype == DType::int32;
    } catch (const Error&) {
      return value;
    }
    const auto is_nan = [](double number) { return std::isnan(number); };
    if (value.numbers && std::any_of(value.numbers->begin(), value.numbers->end(), is_nan)) {
      value.numbers.reset();
    }
    return value;
  }

  // Stores `value` in the scope. Inner graphs can use one name for several values; the scope then
  // has only the facts that are true for all these values. Returns whether the scope has changed.
  bool add(Scope& scope, const std::string& name, Value value) {
    if (name.empty()) return false;
    const auto stated = scope.stated.find(name);
    if (value.dims && stated != scope.stated.end() && !agrees(*value.dims, stated->second)) {
      value.dims.reset();
      value.numbers.reset();
    }
    const auto place = scope.values.find(name);
    if (place != scope.values.end()) value = merged(place->second, value);
    if (place != scope.values.end() && value == place->second) return false;
    // Each stored number costs work, so the scan's budget also limits the memory for the values.
    const std::size_t parts =
        (value.dims ? value.dims->size() : 0) + (value.numbers ? value.numbers->size() : 0);
    if (!file_.budget.take(cost::kNodePart * parts / 8)) return false;
    scope.values.insert_or_assign(name, std::move(value));
    return true;
  }

  // Adds the results of the nodes to the scope. Returns the work (see work_of()) to compute all
  // results that are constants, including the results in called functions. Sets `excess_` to the
  // last visited node if the work exceeds `most_` or the nodes need too many rounds.
  double fold(const Nodes& nodes, Scope& scope, int depth) {
    // Exporters write each node after the nodes that make its inputs, so two rounds find and
    // confirm every value. In any other order, every node may need a round of its own, so fold()
    // limits the number of rounds.
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

  // Returns the cost to compute the elements of a node's results, in the units of budget.h.
  // `inputs` is the number of the node's inputs.
  static std::uint64_t cost_of(const std::vector<Value>& results, std::size_t inputs) {
    const bool has_numbers = !results.empty() && results[0].numbers;
    return has_numbers ? cost::kNodePart * results[0].numbers->size() * (1 + inputs) / 4 : 0;
  }

  // Evaluates a node if all inputs are in the scope, and adds the node's results to the scope. Adds
  // to `sum` the work (see work_of()) to compute the results that are constants. Returns whether
  // the scope has changed.
  bool visit(const onnx::Node& node, Scope& scope, int depth, double& sum) {
    std::vector<const Value*> inputs;
    for (const std::string& name : node.inputs) {
      const auto found = scope.values.find(name);
      const bool is_left_out = name.empty() || scope.left_out.contains(name);
      if (!is_left_out && found == scope.values.end()) return false;
      inputs.push_back(is_left_out ? nullptr : &found->second);
    }
    if (const onnx::Function* function = model_.function_of(node)) {
      return call(node, *function, scope, depth, sum);
    }
    if (node.op_type == "If") return take_branches(node, inputs, scope);
    std::vector<Value> results;
    if (is_one_of("Loop Scan", node.op_type)) {
      results.assign(node.outputs.size(), {false});
    } else if (node.op_type == "Constant" && onnx::is_onnx_domain(node.domain)) {
      // If the attribute `value` of this Constant is a tensor, first_excess() or call() has already
      // added the tensor to the scope, so there is nothing to add.
      const bool is_known = !node.outputs.empty() && scope.values.contains(node.outputs[0]);
      if (is_known && node.attributes.empty()) return false;
      results = {constant_of(node, scope.caller, static_cast<double>(file_.input.size()))};
    } else {
      results = results_of({node, inputs}, fill_of(node));
      if (!file_.budget.take(cost_of(results, inputs.size()))) return false;
      sum += work_of({node, inputs}, results);
    }
    bool changed = false;
    for (std::size_t i = 0; i < std::min(results.size(), node.outputs.size()); ++i) {
      changed = add(scope, node.outputs[i], std::move(results[i])) || changed;
    }
    return changed;
  }

  // Returns the number with which ConstantOfShape fills its output. The default is 0.0.
  const Value* fill_of(const onnx::Node& node) const {
    static const Value zero{true, 1, Dims{}, std::vector<double>{0}};
    if (node.value_tensor) return &other_tensors_[*node.value_tensor];
    return node.references.empty() ? &zero : nullptr;
  }

  // Adds the outputs of an If node, which may come from any graph of the node, to the scope. If the
  // condition is constant, ONNX Runtime replaces the node by one of these graphs, so only then can
  // the outputs be constants. Returns whether the scope has changed.
  bool take_branches(const onnx::Node& node, const std::vector<const Value*>& inputs,
                     Scope& scope) {
    if (node.outputs.empty()) return false;
    const bool is_constant = !inputs.empty() && inputs[0] != nullptr && inputs[0]->is_constant;
    bool changed = false;
    const auto take = [&](const std::string& output, Value value) {
      if (!is_constant) {
        value.is_constant = false;
        value.elements = 0;
        value.numbers.reset();
      }
      changed = add(scope, output, std::move(value)) || changed;
    };
    for (std::size_t i = 0; i < node.graph_outputs.size(); ++i) {
      const auto found = scope.values.find(node.graph_outputs[i]);
      if (found == scope.values.end()) continue;
      take(node.outputs[i % node.outputs.size()], found->second);
    }
    // In a function, the graphs of If can be attributes of the call. The outputs are then unknown.
    for (std::size_t i = 0; i < node.outputs.size() && !node.references.empty(); ++i) {
      take(node.outputs[i], {true, static_cast<double>(file_.input.size())});
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
    const std::size_t parts = function.end_tensor - function.first_tensor + function.inputs.size() +
                              function.inner_inputs.size();
    if (!file_.budget.take(cost::kNodePart * parts)) return false;
    Scope inner{stated_[static_cast<std::size_t>(&function - model_.functions.data())], &node};
    for (std::size_t i = function.first_tensor; i < function.end_tensor; ++i) {
      add(inner, model_.other_tensors[i].name, other_tensors_[i]);
    }
    for (const std::string& name : function.inner_inputs) add(inner, name, {false});
    for (std::size_t i = 0; i < function.inputs.size(); ++i) {
      const std::string name = i < node.inputs.size() ? node.inputs[i] : std::string();
      if (const auto found = scope.values.find(name); found != scope.values.end()) {
        add(inner, function.inputs[i], found->second);
      } else {
        inner.left_out.insert(function.inputs[i]);
      }
    }
    Nodes nodes;
    for (const onnx::Node& part : function.nodes) nodes.push_back(&part);
    sum += fold(nodes, inner, depth + 1);
    bool changed = false;
    for (std::size_t i = 0; i < std::min(node.outputs.size(), function.outputs.size()); ++i) {
      const std::string& result = function.outputs[i];
      if (const auto found = inner.values.find(result); found != inner.values.end()) {
        changed = add(scope, node.outputs[i], found->second) || changed;
      }
    }
    return changed;
  }

  const onnx::Model& model_;
  const File& file_;
  onnx::TensorReader reader_;
  double stored_ = 0;           // the elements of all tensors in the file
  double most_ = 0;             // the limit for the work for all constants
  std::vector<Stated> stated_;  // for each function
  std::vector<Value> other_tensors_;
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
