#include "graph/graph.h"

#include <algorithm>
#include <cstring>
#include <span>

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

ValueId Graph::add_axes(const std::vector<std::int64_t>& axes) {
  const auto [known, is_new] = axes_.try_emplace(axes, kNoInput);
  if (!is_new) return known->second;
  const auto count = static_cast<std::int64_t>(axes.size());
  const ValueId id = add_value(unique_name("const/axes"), DType::int64, {Dim::fixed(count)});
  values_[id].integers = axes;
  known->second = id;
  initializers_.push_back({id,
                           [axes, count] {
                             const auto bytes = std::as_bytes(std::span(axes));
                             return TensorData{DType::int64, {count}, {bytes.begin(), bytes.end()}};
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

ValueId copy_initializer(const Graph& source, const Initializer& initializer, DType dtype,
                         Graph& target) {
  const Value& value = source.value(initializer.value);
  if (initializer.is_parameter) {
    std::vector<std::int64_t> shape;
    for (const Dim& dim : value.shape) shape.push_back(dim.value);
    return target.add_parameter(value.name, dtype, shape, initializer.load);
  }
  if (!value.integers.empty()) return target.add_axes(value.integers);
  return target.add_constant(dtype, to_doubles(initializer.load().bytes, DType::float64).at(0));
}

bool is_depthwise(const Node& node) {
  const auto group = node.attributes.find("group");
  return node.op == "Conv" && group != node.attributes.end() &&
         std::get<std::int64_t>(group->second) > 1;
}

std::string block_of(std::string_view path) {
  std::size_t end = std::min(path.find('.'), path.size());
  while (end < path.size()) {
    const std::size_t next = std::min(path.find('.', end + 1), path.size());
    const std::string_view name = path.substr(end + 1, next - end - 1);
    const bool number = !name.empty() && std::all_of(name.begin(), name.end(),
                                                     [](char c) { return c >= '0' && c <= '9'; });
    if (!number) break;
    end = next;
  }
  return std::string(path.substr(0, end));
}

// --- shape inference --------------------------------------------------------------------------

std::int64_t cast_type(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return 1;
    case DType::float16:
      return 10;
    case DType::bfloat16:
      return 16;
    default:
      defect("a type that no value is cast to");
  }
}

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
  require(inputs.size() == 2 || inputs.size() == 3, "Conv without a weight");
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
  require(inputs.size() == 2 || inputs[2]->shape == Shape{w[0]}, "Conv with a wrong bias");
  return {x[0], w[0], x[2], x[3]};
}

// As ONNX broadcasts: aligned at the last axis, equal sizes or 1.
Shape infer_broadcast(const std::vector<const Value*>& inputs) {
  require(inputs.size() == 2, "a binary operator without two inputs");
  Shape longer = inputs[0]->shape;
  Shape shorter = inputs[1]->shape;
  if (longer.size() < shorter.size()) std::swap(longer, shorter);
  for (std::size_t i = 1; i <= shorter.size(); ++i) {
    Dim& a = longer[longer.size() - i];
    const Dim& b = shorter[shorter.size() - i];
    if (a == b || is_size(b, 1)) continue;
    require(is_size(a, 1), "a binary operator on shapes that don't fit");
    a = b;
  }
  return longer;
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

// (N, C, H, W) with scale and bias (C, 1, 1).
Shape infer_channel_normalization(const std::vector<const Value*>& inputs) {
  require(inputs.size() == 3 && inputs[0]->shape.size() == 4,
          "ChannelNormalization of a rank other than 4");
  const Shape each{inputs[0]->shape[1], Dim::fixed(1), Dim::fixed(1)};
  require(inputs[1]->shape == each && inputs[2]->shape == each,
          "ChannelNormalization with a wrong scale or bias");
  return inputs[0]->shape;
}

// The axes are an attribute, or, from opset 18 on, an input.
Shape infer_reduce(const std::vector<const Value*>& inputs,
                   const std::map<std::string, AttributeValue>& attributes) {
  Shape x = inputs[0]->shape;
  const Ints& axes = inputs.size() > 1 ? inputs[1]->integers : attribute<Ints>(attributes, "axes");
  require(axes.size() == 1 && attribute<std::int64_t>(attributes, "keepdims") == 1,
          "a reduction over several axes");
  const auto rank = static_cast<std::int64_t>(x.size());
  const std::int64_t axis = axes[0] < 0 ? axes[0] + rank : axes[0];
  require(axis >= 0 && axis < rank, "a reduction over an axis that isn't there");
  x[static_cast<std::size_t>(axis)] = Dim::fixed(1);
  return x;
}

Shape infer_concat(const std::vector<const Value*>& inputs,
                   const std::map<std::string, AttributeValue>& attributes) {
  Shape result = inputs[0]->shape;
  const auto axis = static_cast<std::size_t>(attribute<std::int64_t>(attributes, "axis"));
  require(axis < result.size() && result[axis].symbol == Symbol::none,
          "Concat along an axis that isn't there");
  result[axis].value = 0;
  for (const Value* input : inputs) {
    Shape other = input->shape;
    require(other.size() == result.size() && other[axis].symbol == Symbol::none,
            "Concat of tensors of other ranks");
    result[axis].value += other[axis].value;
    other[axis] = result[axis];
    require(other == result, "Concat of tensors that don't fit");
  }
  return result;
}

Shape infer_global_pool(Shape x) {
  require(x.size() == 4, "a pool of a rank other than 4");
  x[2] = x[3] = Dim::fixed(1);
  return x;
}

DType infer_cast(const std::map<std::string, AttributeValue>& attributes) {
  const auto to = attribute<std::int64_t>(attributes, "to");
  for (const DType dtype : {DType::float32, DType::float16, DType::bfloat16}) {
    if (to == cast_type(dtype)) return dtype;
  }
  defect("a Cast to an unknown type");
}

bool is_unary(const std::string& op) {
  return op == "Gelu" || op == "Erf" || op == "Sqrt" || op == "LeakyRelu" || op == "Sigmoid" ||
         op == "Relu";
}

bool is_binary(const std::string& op) {
  return op == "Add" || op == "Sub" || op == "Mul" || op == "Div" || op == "Pow";
}

}  // namespace

Value infer(const std::string& op, const std::vector<const Value*>& inputs,
            const std::map<std::string, AttributeValue>& attributes) {
  require(!inputs.empty(), "an operator without inputs");
  for (const Value* input : inputs) {
    require(input != nullptr && (input->dtype == inputs[0]->dtype || !input->integers.empty()),
            "an operator on inputs of two types");
  }
  Value made{{}, inputs[0]->dtype, {}};
  if (op == "Conv") {
    made.shape = infer_conv(inputs, attributes);
  } else if (is_binary(op)) {
    made.shape = infer_broadcast(inputs);
  } else if (is_unary(op)) {
    made.shape = inputs[0]->shape;
  } else if (op == "Transpose") {
    made.shape = infer_transpose(inputs[0]->shape, attribute<Ints>(attributes, "perm"));
  } else if (op == "LayerNormalization") {
    made.shape = infer_layer_normalization(inputs, attributes);
  } else if (op == kChannelNormalization) {
    made.shape = infer_channel_normalization(inputs);
  } else if (op == "DepthToSpace") {
    made.shape =
        infer_depth_to_space(inputs[0]->shape, attribute<std::int64_t>(attributes, "blocksize"));
  } else if (op == "Concat") {
    made.shape = infer_concat(inputs, attributes);
  } else if (op == "GlobalAveragePool") {
    made.shape = infer_global_pool(inputs[0]->shape);
  } else if (op == "ReduceMean" || op == "ReduceMax") {
    made.shape = infer_reduce(inputs, attributes);
  } else if (op == "Cast") {
    made.shape = inputs[0]->shape;
    made.dtype = infer_cast(attributes);
  } else {
    defect("an operator without shape inference");
  }
  return made;
}

}  // namespace aether2onnx::graph
