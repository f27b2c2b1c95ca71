#include "graph/graph.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "base/error.h"
#include "base/text.h"

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
  const auto [known, is_new] = constants_.try_emplace({number, dtype});
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
  const auto [known, is_new] = axes_.try_emplace(axes);
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
                        Attributes attributes) {
  std::vector<const Value*> operands;
  operands.reserve(inputs.size());
  for (const ValueId id : inputs) operands.push_back(&values_.at(id));
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
    if (!only_digits(name)) break;
    end = next;
  }
  return std::string(path.substr(0, end));
}

}  // namespace aether2onnx::graph
