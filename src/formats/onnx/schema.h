/// @file
/// Private to this folder: the messages and fields that ONNX defines, as one table.
#pragma once

#include <cstdint>
#include <string_view>

namespace aether2onnx::onnx {

/// The messages of onnx.proto.
enum class Kind : std::uint8_t {
  model,
  operator_set,
  entry,
  training,
  function,
  graph,
  annotation,
  node,
  attribute,
  tensor,
  sparse_tensor,
  value_info,
  type,
  tensor_type,
  sequence_type,
  map_type,
  optional_type,
  opaque_type,
  shape,
  dimension,
  device,
  node_device,
  sharding,
  device_group,
  sharded_dim,
  simple_dim,
};

/// The kind of value that a field contains.
enum class Form : std::uint8_t {
  int64,
  int32,
  uint64,
  choice,  ///< An enumerator, which protobuf stores as int32.
  real,    ///< float
  real64,  ///< double
  bytes,   ///< A text or bytes.
  message,
};

struct FieldRow {
  Kind message;
  std::uint8_t number;
  const char* name;
  Form form;
  bool repeated = false;
  Kind content = Kind::model;  ///< The message in the field, if the form is Form::message.
  bool alternative = false;    ///< In a oneof group: a message has at most one field of it.
};

/// Returns the row of a field; null if ONNX does not define the field.
const FieldRow* find_field(Kind message, std::uint64_t number);

/// Returns the name of the message in onnx.proto, for example "NodeProto".
std::string_view name_of(Kind message);

}  // namespace aether2onnx::onnx
