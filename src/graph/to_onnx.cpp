#include "graph/to_onnx.h"

#include "base/error.h"

namespace aether2onnx::graph {

namespace {

std::vector<std::int64_t> sizes_of(const Shape& shape) {
  std::vector<std::int64_t> sizes;
  for (const Dim& dim : shape) sizes.push_back(dim.value);
  return sizes;
}

onnx::ValueInfo value_info(const Graph& graph, ValueId id) {
  const Value& value = graph.value(id);
  onnx::ValueInfo info{value.name, onnx::data_type_of(value.dtype), {}};
  for (const Dim& dim : value.shape) info.dims.push_back(dim_text(dim, graph, id));
  return info;
}

onnx::Node node_record(const Graph& graph, const Node& node) {
  onnx::Node record{node.name, node.op, "", {}, {graph.value(node.output).name}, node.attributes};
  for (const ValueId id : node.inputs) record.inputs.push_back(graph.value(id).name);
  return record;
}

// Loads a weight and converts it to `dtype`. Throws Error(precision) if an element is NaN, infinite
// or beyond the range of `dtype`. Adds to `loss` how many elements became subnormal or zero.
TensorData load_as(const Initializer& initializer, const onnx::Tensor& tensor, DType dtype,
                   WeightLoss& loss) {
  TensorData data = initializer.load();
  if (!is_weight_dtype(dtype)) return data;
  ConversionLoss found;
  if (data.dtype == dtype) {
    found = check_elements(data.bytes, dtype);
  } else {
    std::vector<std::byte> converted;
    found = convert_elements(data.bytes, data.dtype, dtype, converted);
    data = {dtype, tensor.dims, std::move(converted)};
  }
  check_loss(found, tensor.name, tensor.dims, dtype,
             dtype == DType::float16
                 ? fmt::format("Convert with {} mixed_fp16 or fp32.", option("fp_mode"))
                 : "Programs that run models compute in at most fp32. Use another checkpoint.");
  if (initializer.is_parameter) {
    loss.subnormal += found.subnormal;
    loss.flushed_to_zero += found.flushed_to_zero;
  }
  return data;
}

onnx::Tensor tensor_record(const Graph& graph, const Initializer& initializer, WeightLoss& loss) {
  const Value& value = graph.value(initializer.value);
  onnx::Tensor tensor{value.name, onnx::data_type_of(value.dtype), sizes_of(value.shape)};
  tensor.is_weight = initializer.is_parameter;
  tensor.load = [initializer, &loss, dtype = value.dtype,
                 described = onnx::Tensor{tensor.name, tensor.data_type, tensor.dims}] {
    return load_as(initializer, described, dtype, loss);
  };
  return tensor;
}

}  // namespace

std::string dim_text(const Dim& dim, const Graph& graph, ValueId value) {
  if (dim.symbol == Symbol::none) return fmt::format("{}", dim.value);
  if (dim.symbol == Symbol::batch) return "batch_size";
  const char* name = dim.symbol == Symbol::height ? "height" : "width";
  const bool of_output = dim.value == graph.scale && (graph.scale > 1 || graph.is_output(value));
  if (of_output) return fmt::format("output_{}", name);
  return dim.value == 1 ? name : fmt::format("{}_x{}", name, dim.value);
}

onnx::Model to_onnx(const Graph& graph, int opset, WeightLoss& loss) {
  onnx::Model model;
  model.ir_version = onnx::ir_version(opset);
  model.opsets = {{"", opset}};
  model.producer_name = "aether2onnx";
  model.producer_version = version();
  model.domain = "aether2onnx";
  // Without a model version, ONNX Runtime shows the version 9223372036854775807.
  model.model_version = 1;
  model.graph_name = graph.name;
  for (const ValueId id : graph.inputs()) model.inputs.push_back(value_info(graph, id));
  for (const ValueId id : graph.outputs()) model.outputs.push_back(value_info(graph, id));
  for (const Initializer& initializer : graph.initializers()) {
    model.initializers.push_back(tensor_record(graph, initializer, loss));
  }
  for (const Node& node : graph.nodes()) {
    model.nodes.push_back(node_record(graph, node));
    if (!graph.is_output(node.output)) model.value_info.push_back(value_info(graph, node.output));
  }
  return model;
}

}  // namespace aether2onnx::graph
