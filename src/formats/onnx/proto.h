/// @file
/// Field numbers and enumerators of ONNX's protobuf messages (source: onnx/onnx.proto in ONNX's
/// repository), and functions that make messages from the structs of onnx.h (Node, Tensor). Private
/// to this folder.
#pragma once

#include <string>
#include <vector>

#include "formats/onnx/onnx.h"

namespace aether2onnx::onnx {

namespace model_proto {
enum {
  ir_version = 1,
  producer_name = 2,
  producer_version = 3,
  domain = 4,
  model_version = 5,
  doc_string = 6,
  graph = 7,
  opset_import = 8,
  metadata_props = 14,
  training_info = 20,
  functions = 25,
};
}
namespace operator_set_id_proto {
enum { domain = 1, version = 2 };
}
namespace string_string_entry_proto {
enum { key = 1, value = 2 };
}
namespace training_info_proto {
enum { initialization = 1, algorithm = 2 };
}
namespace function_proto {
enum {
  name = 1,
  input = 4,
  output = 5,
  node = 7,
  domain = 10,
  attribute_proto = 11,
  value_info = 12,
  overload = 13
};
}
namespace graph_proto {
enum {
  node = 1,
  name = 2,
  initializer = 5,
  input = 11,
  output = 12,
  value_info = 13,
  sparse_initializer = 15
};
}
namespace node_proto {
enum { input = 1, output = 2, name = 3, op_type = 4, attribute = 5, domain = 7, overload = 8 };
}
namespace attribute_proto {
enum {
  name = 1,
  f = 2,
  i = 3,
  s = 4,
  t = 5,
  g = 6,
  floats = 7,
  ints = 8,
  strings = 9,
  tensors = 10,
  graphs = 11,
  tp = 14,
  type_protos = 15,
  type = 20,
  ref_attr_name = 21,
  sparse_tensor = 22,
  sparse_tensors = 23
};
enum {
  type_float = 1,
  type_int = 2,
  type_string = 3,
  type_tensor = 4,
  type_graph = 5,
  type_floats = 6,
  type_ints = 7,
  type_strings = 8,
  type_tensors = 9,
  type_graphs = 10,
  type_sparse_tensor = 11,
  type_sparse_tensors = 12,
  type_type_proto = 13,
  type_type_protos = 14
};
}  // namespace attribute_proto
namespace tensor_proto {
enum {
  dims = 1,
  data_type = 2,
  float_data = 4,
  int32_data = 5,
  string_data = 6,
  int64_data = 7,
  name = 8,
  raw_data = 9,
  double_data = 10,
  uint64_data = 11,
  external_data = 13,
  data_location = 14
};
enum { type_float = 1, type_int64 = 7, type_float16 = 10, type_double = 11, type_bfloat16 = 16 };
enum { location_external = 1 };
}  // namespace tensor_proto
namespace sparse_tensor_proto {
enum { values = 1, indices = 2, dims = 3 };
}
namespace value_info_proto {
enum { name = 1, type = 2 };
}
namespace type_proto {
enum { tensor_type = 1 };
enum { elem_type = 1, shape = 2 };
enum { dim = 1 };
enum { dim_value = 1, dim_param = 2 };
}  // namespace type_proto

/// Converts elements from this machine's byte order to little-endian, the byte order of ONNX files,
/// or back.
void convert_byte_order(std::vector<std::byte>& elements, DType dtype);

std::string node_message(const Node& node);

/// Returns the first fields of a TensorProto message: dims, data_type and name. The caller then
/// appends the fields that contain the elements or say where the elements are.
std::string tensor_head(const Tensor& tensor);

}  // namespace aether2onnx::onnx
