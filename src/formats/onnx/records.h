/// @file
/// Functions that read protobuf messages into the structs of onnx.h (Model, Node, Tensor, …).
/// Private to this folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "formats/onnx/onnx.h"
#include "formats/onnx/wire.h"

namespace aether2onnx::onnx {

/// A set of names in a part of the file, for example the attributes of a node. Each name must be
/// unique.
class Names {
 public:
  explicit Names(const char* what) : what_(what) {}

  /// Adds a name; ignores an empty name. Throws Error(malformed), which states the byte offset
  /// `at`, if the name was added before.
  void add(std::string name, std::uint64_t at);

 private:
  const char* what_;
  std::unordered_set<std::string> names_;
};

std::pair<std::string, std::string> string_entry(Fields fields);
std::pair<std::string, std::int64_t> opset(Fields fields);
ValueInfo value_info(Fields fields);
Tensor tensor(Fields fields);
/// Reads a sparse tensor. Adds its two tensors (values and indices) to `tensors`. Returns the
/// sparse tensor's name, which is the name of the values.
std::string sparse_tensor(Fields fields, std::vector<Tensor>& tensors);

/// Reads a graph, or the body of a function, into a Model.
class GraphReader {
 public:
  /// The lists to which the reader adds the nodes and constants of a graph.
  struct Place {
    std::vector<Node>& nodes;
    std::vector<Tensor>& constants;
    std::vector<ValueInfo>& value_info;
    std::vector<std::string>& inner_inputs;  ///< For inner graphs: the names of their inputs.
    bool in_function = false;
    std::vector<std::string>* sparse_constants = nullptr;  ///< Null if nobody needs these names.
    int depth = 0;  ///< How many graphs contain the graph or function.
  };

  GraphReader(Model& model, Place place) : model_(model), place_(place) {}

  /// Reads a graph and returns its name. Adds the graph's inputs to `inputs`, and the graph's
  /// outputs to `outputs`. If `inputs` is null, adds only the names of the inputs, to
  /// Place::inner_inputs. If `outputs` is null, drops the outputs.
  std::string take_graph(Fields fields, std::vector<ValueInfo>* inputs = nullptr,
                         std::vector<ValueInfo>* outputs = nullptr);
  void take_node(Fields fields);
  /// Reads the default value of a function's attribute. Keeps only tensors and graphs of the value,
  /// so that Model::each_tensor() and Model::each_node() also visit these tensors and nodes.
  void take_default(Fields fields);

 private:
  struct Value;

  void take_attribute(Fields fields, Node& node, Names& names, std::optional<Tensor>& constant);
  void take_value(Fields& fields, Value& value, Node& node);
  void take_inner_graph(Fields fields, Node& node);

  Model& model_;
  Place place_;
  Names constants_{"constants"};
};

}  // namespace aether2onnx::onnx
