/// @file
/// Parts of ONNX files by hand. Field numbers are those of onnx.proto.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protobuf.h"

namespace aether2onnx::corpus::onnx_forge {

using test::field;
using test::fixed32;
using test::number_field;
using test::varint;

/// A number in `more` bytes more than it needs.
inline std::string long_varint(std::uint64_t number, int more) {
  std::string bytes = varint(number);
  for (; more > 0; --more) {
    bytes.back() = static_cast<char>(bytes.back() | '\x80');
    bytes += '\0';
  }
  return bytes;
}

inline std::string entry(std::uint64_t number, const std::string& key, const std::string& value) {
  return field(number, field(1, key) + field(2, value));
}

inline std::string value_info(const std::string& name) {
  const std::string shape = field(1, number_field(1, 1)) + field(1, number_field(1, 2));
  return field(1, name) + field(2, field(1, number_field(1, 1) + field(2, shape)));
}

inline std::string attribute(const std::string& name, int type, const std::string& value) {
  return field(5, field(1, name) + value + number_field(20, static_cast<std::uint64_t>(type)));
}

/// A field `node` of a graph. `more` is behind the node's own fields.
inline std::string node(const std::string& op, const std::string& input, const std::string& output,
                        const std::string& more = "", const std::string& domain = "") {
  std::string message = field(1, input) + field(2, output) + field(4, op) + more;
  if (!domain.empty()) message += field(7, domain);
  return field(1, message);
}

/// A field `node` of a graph, for a node with several inputs.
inline std::string many(const std::string& op, const std::vector<std::string>& inputs,
                        const std::string& output, const std::string& more = "") {
  std::string message;
  for (const std::string& input : inputs) message += field(1, input);
  return field(1, message + field(2, output) + field(4, op) + more);
}

/// A TensorProto that is a vector of int64.
inline std::string integers(const std::string& name, const std::vector<std::int64_t>& values) {
  std::string elements;
  for (const std::int64_t value : values) elements += varint(static_cast<std::uint64_t>(value));
  return number_field(1, values.size()) + number_field(2, 7) + field(8, name) + field(7, elements);
}

/// The elements of a tensor with two numbers, in another file.
inline std::string outside(const std::string& file, const std::string& offset = "0") {
  return entry(13, "location", file) + entry(13, "offset", offset) + entry(13, "length", "8") +
         number_field(14, 1);
}

/// A TensorProto with two float32 elements, which `elements` holds.
inline std::string tensor(const std::string& name, const std::string& elements) {
  return number_field(1, 2) + number_field(2, 1) + field(8, name) + elements;
}
inline std::string raw() { return field(9, fixed32(1) + fixed32(2)); }

/// A GraphProto with one node.
inline std::string graph(const std::string& nodes, const std::string& more = "") {
  return nodes + field(2, "inner") + more + field(12, field(1, "then"));
}

/// An If whose two branches are `inner`.
inline std::string if_node(const std::string& inner) {
  return node(
      "If", "condition", "output",
      attribute("then_branch", 5, field(6, inner)) + attribute("else_branch", 5, field(6, inner)));
}

/// The attributes of an EPContext that names a file.
inline std::string context_of(const std::string& file) {
  return attribute("embed_mode", 2, number_field(3, 0)) +
         attribute("ep_cache_context", 3, field(4, file));
}

/// A FunctionProto.
inline std::string function(const std::string& domain, const std::string& name,
                            const std::string& nodes) {
  // Nodes have the number 1 in a graph and 7 in a function.
  std::string body = nodes;
  return field(25, field(1, name) + field(4, "a") + field(5, "b") + body +
                       field(9, field(1, "") + number_field(2, 17)) + field(10, domain));
}
inline std::string body_node(const std::string& op, const std::string& domain = "",
                             const std::string& more = "") {
  std::string message = field(1, "a") + field(2, "b") + field(4, op) + more;
  if (!domain.empty()) message += field(7, domain);
  return field(7, message);
}

/// A whole file.
struct File {
  std::string parts = node("Relu", "input", "output");  ///< Nodes and initializers.
  std::string graph_more;
  std::string model_more;
  std::string head = number_field(1, 8);

  std::string bytes() const {
    return head + field(2, "corpus") +
           field(7, parts + field(2, "g") + field(11, value_info("input")) +
                        field(12, value_info("output")) + graph_more) +
           field(8, field(1, "") + number_field(2, 17)) + model_more;
  }
};

inline std::string with_parts(const std::string& parts) {
  File file;
  file.parts = parts;
  return file.bytes();
}
inline std::string with_graph(const std::string& more) {
  File file;
  file.graph_more = more;
  return file.bytes();
}
inline std::string with_model(const std::string& more) {
  File file;
  file.model_more = more;
  return file.bytes();
}

}  // namespace aether2onnx::corpus::onnx_forge
