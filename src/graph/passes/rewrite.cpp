#include "graph/passes/rewrite.h"

#include "formats/onnx/onnx.h"

namespace aether2onnx::graph {

namespace {

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

}  // namespace

Rewriter::Rewriter(const Graph& old, std::optional<DType> edge) : source(old), edge_(edge) {
  target.name = source.name;
  target.scale = source.scale;
  for (const Initializer& initializer : source.initializers()) {
    initializers_[initializer.value] = &initializer;
  }
  for (const ValueId id : source.inputs()) {
    const Value& value = source.value(id);
    made_[id] = target.add_input(value.name, edge.value_or(value.dtype), value.shape);
  }
}

const Initializer* Rewriter::initializer(ValueId value) const {
  const auto found = initializers_.find(value);
  return found == initializers_.end() ? nullptr : found->second;
}

ValueId Rewriter::use(ValueId value, DType dtype, const std::string& path) {
  const Initializer* constant = initializer(value);
  if (constant == nullptr) return cast(made_.at(value), dtype, path);
  const auto [known, is_new] = copies_.try_emplace({value, dtype});
  if (is_new) known->second = copy_initializer(source, *constant, dtype, target);
  return known->second;
}

ValueId Rewriter::cast(ValueId value, DType dtype, const std::string& path) {
  if (target.value(value).dtype == dtype) return value;
  const auto [known, is_new] = casts_.try_emplace({value, dtype});
  if (is_new) {
    const std::int64_t to = onnx::data_type_of(dtype);
    known->second = target.add_node(path, "Cast", {value}, {{"to", to}});
  }
  return known->second;
}

ValueId Rewriter::copy(const Node& node, std::optional<DType> dtype) {
  std::vector<ValueId> inputs;
  for (const ValueId id : node.inputs) {
    inputs.push_back(use(id, dtype.value_or(source.value(id).dtype), node.path));
  }
  return target.add_node(node.path, node.op, std::move(inputs), node.attributes);
}

Graph Rewriter::finish() {
  for (const ValueId id : source.outputs()) {
    const Value& value = source.value(id);
    target.set_output(use(id, edge_.value_or(value.dtype), value.name), value.name);
  }
  return std::move(target);
}

}  // namespace aether2onnx::graph
