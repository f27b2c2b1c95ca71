/// @file
/// The table of the protobuf messages and fields that ONNX defines. Private to this folder.
#pragma once

#include <cstdint>
#include <string_view>

namespace aether2onnx::onnx {

/// The kinds of messages in onnx.proto. name_of() returns the name of a kind in onnx.proto.
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

/// The type of the values that a field contains.
enum class Form : std::uint8_t {
  int64,
  int32,
  uint64,
  choice,  ///< An enumerator, which protobuf stores as int32.
  real,    ///< float
  real64,  ///< double
  bytes,   ///< A text, or bytes.
  message,
};

struct FieldRow {
  Kind message = Kind::model;
  std::uint8_t number = 0;
  const char* name = "";
  Form form = Form::int64;
  bool repeated = false;
  Kind content = Kind::model;  ///< For Form::message: the kind of the message in the field.
  bool alternative = false;    ///< In a oneof group: a message may have one field of the group.
};

/// Returns the table's row for the field `number` of `message`; null if ONNX has no such field.
const FieldRow* find_field(Kind message, std::uint64_t number);

/// Returns the name of a kind of message in onnx.proto, for example "NodeProto".
std::string_view name_of(Kind message);

}  // namespace aether2onnx::onnx
