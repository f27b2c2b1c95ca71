// The table of ONNX's protobuf messages and fields. Source: onnx/onnx.proto of ONNX 1.23 (IR
// version 14) in ONNX's repository. Older versions have fewer of these fields. The table leaves out
// reserved numbers, and TensorProto.segment, which no writer emits.

#include "formats/onnx/schema.h"

#include <array>
#include <string_view>
#include <vector>

#include "base/text.h"

namespace aether2onnx::onnx {

namespace {

constexpr std::size_t kKinds = static_cast<std::size_t>(Kind::simple_dim) + 1;
constexpr std::size_t kNumbers = 32;

namespace table {

using enum Kind;
using enum Form;

constexpr FieldRow one(Kind in, std::uint8_t number, const char* name, Form form) {
  return {in, number, name, form};
}
constexpr FieldRow many(Kind in, std::uint8_t number, const char* name, Form form) {
  return {in, number, name, form, true};
}
constexpr FieldRow one(Kind in, std::uint8_t number, const char* name, Kind content) {
  return {in, number, name, Form::message, false, content};
}
constexpr FieldRow many(Kind in, std::uint8_t number, const char* name, Kind content) {
  return {in, number, name, Form::message, true, content};
}
constexpr FieldRow or_else(FieldRow row) {
  row.alternative = true;
  return row;
}

constexpr std::array kRows = {
    one(model, 1, "ir_version", int64),
    one(model, 2, "producer_name", bytes),
    one(model, 3, "producer_version", bytes),
    one(model, 4, "domain", bytes),
    one(model, 5, "model_version", int64),
    one(model, 6, "doc_string", bytes),
    one(model, 7, "graph", graph),
    many(model, 8, "opset_import", operator_set),
    many(model, 14, "metadata_props", entry),
    many(model, 20, "training_info", training),
    many(model, 25, "functions", function),
    many(model, 26, "configuration", device),

    one(operator_set, 1, "domain", bytes),
    one(operator_set, 2, "version", int64),

    one(entry, 1, "key", bytes),
    one(entry, 2, "value", bytes),

    one(training, 1, "initialization", graph),
    one(training, 2, "algorithm", graph),
    many(training, 3, "initialization_binding", entry),
    many(training, 4, "update_binding", entry),

    one(function, 1, "name", bytes),
    many(function, 4, "input", bytes),
    many(function, 5, "output", bytes),
    many(function, 6, "attribute", bytes),
    many(function, 7, "node", node),
    one(function, 8, "doc_string", bytes),
    many(function, 9, "opset_import", operator_set),
    one(function, 10, "domain", bytes),
    many(function, 11, "attribute_proto", attribute),
    many(function, 12, "value_info", value_info),
    one(function, 13, "overload", bytes),
    many(function, 14, "metadata_props", entry),

    many(graph, 1, "node", node),
    one(graph, 2, "name", bytes),
    many(graph, 5, "initializer", tensor),
    one(graph, 10, "doc_string", bytes),
    many(graph, 11, "input", value_info),
    many(graph, 12, "output", value_info),
    many(graph, 13, "value_info", value_info),
    many(graph, 14, "quantization_annotation", annotation),
    many(graph, 15, "sparse_initializer", sparse_tensor),
    many(graph, 16, "metadata_props", entry),

    one(annotation, 1, "tensor_name", bytes),
    many(annotation, 2, "quant_parameter_tensor_names", entry),

    many(node, 1, "input", bytes),
    many(node, 2, "output", bytes),
    one(node, 3, "name", bytes),
    one(node, 4, "op_type", bytes),
    many(node, 5, "attribute", attribute),
    one(node, 6, "doc_string", bytes),
    one(node, 7, "domain", bytes),
    one(node, 8, "overload", bytes),
    many(node, 9, "metadata_props", entry),
    many(node, 10, "device_configurations", node_device),

    one(attribute, 1, "name", bytes),
    one(attribute, 2, "f", real),
    one(attribute, 3, "i", int64),
    one(attribute, 4, "s", bytes),
    one(attribute, 5, "t", tensor),
    one(attribute, 6, "g", graph),
    many(attribute, 7, "floats", real),
    many(attribute, 8, "ints", int64),
    many(attribute, 9, "strings", bytes),
    many(attribute, 10, "tensors", tensor),
    many(attribute, 11, "graphs", graph),
    one(attribute, 13, "doc_string", bytes),
    one(attribute, 14, "tp", type),
    many(attribute, 15, "type_protos", type),
    one(attribute, 20, "type", choice),
    one(attribute, 21, "ref_attr_name", bytes),
    one(attribute, 22, "sparse_tensor", sparse_tensor),
    many(attribute, 23, "sparse_tensors", sparse_tensor),

    many(tensor, 1, "dims", int64),
    one(tensor, 2, "data_type", int32),
    many(tensor, 4, "float_data", real),
    many(tensor, 5, "int32_data", int32),
    many(tensor, 6, "string_data", bytes),
    many(tensor, 7, "int64_data", int64),
    one(tensor, 8, "name", bytes),
    one(tensor, 9, "raw_data", bytes),
    many(tensor, 10, "double_data", real64),
    many(tensor, 11, "uint64_data", uint64),
    one(tensor, 12, "doc_string", bytes),
    many(tensor, 13, "external_data", entry),
    one(tensor, 14, "data_location", choice),
    many(tensor, 16, "metadata_props", entry),

    one(sparse_tensor, 1, "values", tensor),
    one(sparse_tensor, 2, "indices", tensor),
    many(sparse_tensor, 3, "dims", int64),

    one(value_info, 1, "name", bytes),
    one(value_info, 2, "type", type),
    one(value_info, 3, "doc_string", bytes),
    many(value_info, 4, "metadata_props", entry),

    or_else(one(type, 1, "tensor_type", tensor_type)),
    or_else(one(type, 4, "sequence_type", sequence_type)),
    or_else(one(type, 5, "map_type", map_type)),
    one(type, 6, "denotation", bytes),
    or_else(one(type, 7, "opaque_type", opaque_type)),
    or_else(one(type, 8, "sparse_tensor_type", tensor_type)),
    or_else(one(type, 9, "optional_type", optional_type)),

    one(tensor_type, 1, "elem_type", int32),
    one(tensor_type, 2, "shape", shape),
    one(sequence_type, 1, "elem_type", type),
    one(map_type, 1, "key_type", int32),
    one(map_type, 2, "value_type", type),
    one(optional_type, 1, "elem_type", type),
    one(opaque_type, 1, "domain", bytes),
    one(opaque_type, 2, "name", bytes),

    many(shape, 1, "dim", dimension),
    or_else(one(dimension, 1, "dim_value", int64)),
    or_else(one(dimension, 2, "dim_param", bytes)),
    one(dimension, 3, "denotation", bytes),

    one(device, 1, "name", bytes),
    one(device, 2, "num_devices", int32),
    many(device, 3, "device", bytes),

    one(node_device, 1, "configuration_id", bytes),
    many(node_device, 2, "sharding_spec", sharding),
    one(node_device, 3, "pipeline_stage", int32),

    one(sharding, 1, "tensor_name", bytes),
    many(sharding, 2, "device", int64),
    many(sharding, 3, "index_to_device_group_map", device_group),
    many(sharding, 4, "sharded_dim", sharded_dim),

    one(device_group, 1, "key", int64),
    many(device_group, 2, "value", int64),

    one(sharded_dim, 1, "axis", int64),
    many(sharded_dim, 2, "simple_sharding", simple_dim),

    or_else(one(simple_dim, 1, "dim_value", int64)),
    or_else(one(simple_dim, 2, "dim_param", bytes)),
    one(simple_dim, 3, "num_shards", int64),
};

}  // namespace table

// The names of the messages in onnx.proto, in the order of the enumerators of Kind.
constexpr std::string_view kNames =
    "ModelProto OperatorSetIdProto StringStringEntryProto TrainingInfoProto FunctionProto "
    "GraphProto TensorAnnotation NodeProto AttributeProto TensorProto SparseTensorProto "
    "ValueInfoProto TypeProto TypeProto.Tensor TypeProto.Sequence TypeProto.Map TypeProto.Optional "
    "TypeProto.Opaque TensorShapeProto TensorShapeProto.Dimension DeviceConfigurationProto "
    "NodeDeviceConfigurationProto ShardingSpecProto IntIntListEntryProto ShardedDimProto "
    "SimpleShardedDimProto";

using Index = std::array<std::array<const FieldRow*, kNumbers>, kKinds>;

constexpr Index kIndex = [] {
  Index index{};
  for (const FieldRow& row : table::kRows)
    index[static_cast<std::size_t>(row.message)][row.number] = &row;
  return index;
}();

}  // namespace

const FieldRow* find_field(Kind message, std::uint64_t number) {
  if (number >= kNumbers) return nullptr;
  return kIndex[static_cast<std::size_t>(message)][static_cast<std::size_t>(number)];
}

std::string_view name_of(Kind message) {
  static const std::vector<std::string_view> names = split(kNames, ' ');
  return names.at(static_cast<std::size_t>(message));
}

}  // namespace aether2onnx::onnx
