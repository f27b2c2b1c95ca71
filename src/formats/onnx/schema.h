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

/// What a field holds.
enum class Form : std::uint8_t {
  int64,
  int32,
  uint64,
  choice,  ///< An enumerator; protobuf stores it as int32.
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
  bool alternative = false;    ///< One of a group of fields of which a message has at most one.
};

/// The row of a field; null if ONNX does not define the field.
const FieldRow* find_field(Kind message, std::uint64_t number);

/// "NodeProto", as in onnx.proto.
std::string_view name_of(Kind message);

}  // namespace aether2onnx::onnx
