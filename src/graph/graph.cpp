#include "graph/graph.h"

#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "base/error.h"

namespace aether2onnx::graph {

std::string Graph::unique_name(const std::string& wanted) {
  const int count = names_[wanted]++;
  return count == 0 ? wanted : unique_name(fmt::format("{}_{}", wanted, count));
}

ValueId Graph::add_value(std::string value_name, DType dtype, Shape shape) {
  values_.push_back({std::move(value_name), dtype, std::move(shape)});
  return values_.size() - 1;
}

ValueId Graph::add_input(const std::string& input_name, DType dtype, Shape shape) {
  const ValueId id = add_value(unique_name(input_name), dtype, std::move(shape));
  inputs_.push_back(id);
  return id;
}

ValueId Graph::add_parameter(const std::string& parameter_name, DType dtype,
                             std::span<const std::int64_t> shape, TensorLoader load) {
  Shape dims;
  for (const std::int64_t size : shape) dims.push_back(Dim::fixed(size));
  const ValueId id = add_value(unique_name(parameter_name), dtype, std::move(dims));
  initializers_.push_back({id, std::move(load), true});
  return id;
}

ValueId Graph::add_constant(DType dtype, double number) {
  const auto [known, is_new] = constants_.try_emplace({number, dtype}, kNoInput);
  if (!is_new) return known->second;
  const ValueId id =
      add_value(unique_name(fmt::format("const/{}", static_cast<float>(number))), dtype, {});
  known->second = id;
  initializers_.push_back({id,
                           [number] {
                             TensorData data{DType::float64, {}, {}};
                             data.bytes.resize(sizeof number);
                             std::memcpy(data.bytes.data(), &number, sizeof number);
                             return data;
                           },
                           false});
  return id;
}

ValueId Graph::add_node(const std::string& path, const std::string& op, std::vector<ValueId> inputs,
                        std::map<std::string, AttributeValue> attributes) {
  std::vector<const Value*> operands;
  operands.reserve(inputs.size());
  for (const ValueId id : inputs) {
    operands.push_back(id == kNoInput ? nullptr : &values_.at(id));
  }
  Value made = infer(op, operands, attributes);
  Node node;
  node.name = unique_name(path + "/" + op);
  node.path = path;
  node.op = op;
  node.inputs = std::move(inputs);
  node.attributes = std::move(attributes);
  node.output = add_value(unique_name(node.name + "_output"), made.dtype, std::move(made.shape));
  nodes_.push_back(std::move(node));
  return nodes_.back().output;
}

void Graph::set_output(ValueId value, const std::string& output_name) {
  values_.at(value).name = unique_name(output_name);
  outputs_.push_back(value);
}

bool Graph::is_output(ValueId id) const {
  return std::find(outputs_.begin(), outputs_.end(), id) != outputs_.end();
}

// --- shape inference --------------------------------------------------------------------------

namespace {

template <typename T>
const T& attribute(const std::map<std::string, AttributeValue>& attributes, const char* name) {
  const auto found = attributes.find(name);
  require(found != attributes.end() && std::holds_alternative<T>(found->second),
          "an operator lacks an attribute");
  return std::get<T>(found->second);
}

using Ints = std::vector<std::int64_t>;

bool is_size(const Dim& dim, std::int64_t size) { return dim == Dim::fixed(size); }

// Y = Conv(X, W, B): stride 1, and padding that keeps height and width.
Shape infer_conv(const std::vector<const Value*>& inputs,
                 const std::map<std::string, AttributeValue>& attributes) {
  require(inputs.size() == 3, "Conv without weight and bias");
  const Shape& x = inputs[0]->shape;
  const Shape& w = inputs[1]->shape;
  const auto group = attribute<std::int64_t>(attributes, "group");
  const auto& kernel = attribute<Ints>(attributes, "kernel_shape");
  const auto& pads = attribute<Ints>(attributes, "pads");
  require(x.size() == 4 && w.size() == 4 && kernel.size() == 2 && pads.size() == 4,
          "Conv of a rank other than 4");
  require(is_size(x[1], w[1].value * group) && w[0].value % group == 0,
          "Conv with a wrong number of channels");
  require(is_size(w[2], kernel[0]) && is_size(w[3], kernel[1]), "Conv with a wrong kernel_shape");
  require(pads[0] + pads[2] == kernel[0] - 1 && pads[1] + pads[3] == kernel[1] - 1,
          "Conv that changes the picture's size");
  require(inputs[2]->shape == Shape{w[0]}, "Conv with a wrong bias");
  return {x[0], w[0], x[2], x[3]};
}

// A scalar or a vector along the last axis goes with anything; otherwise the shapes are equal.
Shape infer_broadcast(const std::vector<const Value*>& inputs) {
  require(inputs.size() == 2, "a binary operator without two inputs");
  const Shape& a = inputs[0]->shape;
  const Shape& b = inputs[1]->shape;
  const bool scalar = b.empty();
  const bool vector = b.size() == 1 && !a.empty() && a.back() == b.front();
  require(a == b || scalar || vector, "a binary operator on shapes that don't fit");
  return a;
}

Shape infer_transpose(const Shape& x, const Ints& permutation) {
  require(permutation.size() == x.size(), "Transpose with a wrong perm");
  Shape result;
  for (const std::int64_t axis : permutation)
    result.push_back(x.at(static_cast<std::size_t>(axis)));
  return result;
}

Shape infer_layer_normalization(const std::vector<const Value*>& inputs,
                                const std::map<std::string, AttributeValue>& attributes) {
  require(inputs.size() == 3 && attribute<std::int64_t>(attributes, "axis") == -1,
          "LayerNormalization over other axes than the last");
  const Shape& x = inputs[0]->shape;
  require(!x.empty() && inputs[1]->shape == Shape{x.back()} && inputs[2]->shape == Shape{x.back()},
          "LayerNormalization with a wrong scale or bias");
  return x;
}

Shape infer_depth_to_space(Shape x, std::int64_t factor) {
  require(x.size() == 4 && x[1].symbol == Symbol::none && x[1].value % (factor * factor) == 0,
          "DepthToSpace with a wrong number of channels");
  x[1].value /= factor * factor;
  x[2].value *= factor;
  x[3].value *= factor;
  return x;
}

Shape infer_reduce_last(Shape x, const std::map<std::string, AttributeValue>& attributes) {
  require(attribute<Ints>(attributes, "axes") == Ints{-1} &&
              attribute<std::int64_t>(attributes, "keepdims") == 1 && !x.empty(),
          "ReduceMean over other axes than the last");
  x.back() = Dim::fixed(1);
  return x;
}

bool is_unary(const std::string& op) {
  return op == "Gelu" || op == "Erf" || op == "Sqrt" || op == "LeakyRelu";
}

bool is_binary(const std::string& op) {
  return op == "Add" || op == "Sub" || op == "Mul" || op == "Div" || op == "Pow";
}

// A - mean(A): the second operand has size 1 where the first has its channels.
bool broadcasts_last_axis(const std::vector<const Value*>& inputs) {
  if (inputs.size() != 2) return false;
  Shape a = inputs[0]->shape;
  const Shape& b = inputs[1]->shape;
  if (a.empty() || a.size() != b.size() || !is_size(b.back(), 1)) return false;
  a.back() = Dim::fixed(1);
  return a == b;
}

}  // namespace

Value infer(const std::string& op, const std::vector<const Value*>& inputs,
            const std::map<std::string, AttributeValue>& attributes) {
  require(!inputs.empty(), "an operator without inputs");
  for (const Value* input : inputs) {
    require(input != nullptr && input->dtype == inputs[0]->dtype,
            "an operator on inputs of two types");
  }
  Value made{{}, inputs[0]->dtype, {}};
  if (op == "Conv") {
    made.shape = infer_conv(inputs, attributes);
  } else if (is_binary(op)) {
    made.shape = broadcasts_last_axis(inputs) ? inputs[0]->shape : infer_broadcast(inputs);
  } else if (is_unary(op)) {
    made.shape = inputs[0]->shape;
  } else if (op == "Transpose") {
    made.shape = infer_transpose(inputs[0]->shape, attribute<Ints>(attributes, "perm"));
  } else if (op == "LayerNormalization") {
    made.shape = infer_layer_normalization(inputs, attributes);
  } else if (op == "DepthToSpace") {
    made.shape =
        infer_depth_to_space(inputs[0]->shape, attribute<std::int64_t>(attributes, "blocksize"));
  } else if (op == "ReduceMean") {
    made.shape = infer_reduce_last(inputs[0]->shape, attributes);
  } else if (op == "Cast") {
    made.shape = inputs[0]->shape;
    made.dtype = attribute<std::int64_t>(attributes, "to") == 1 ? DType::float32 : DType::float16;
  } else {
    defect("an operator without shape inference");
  }
  return made;
}

}  // namespace aether2onnx::graph
