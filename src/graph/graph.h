/// @file
/// The network as a graph of ONNX operators, whose values have a name, a type and a shape.
///
/// build() translates the modules of a network into operators. No other function in this folder
/// reads the network. infer() finds the type and shape of each operator's result. Operators are
/// those of the newest opset; the pass lower() replaces operators that older opsets do not have.
///
/// Users rely on the names of nodes and values, so names stay the same from release to release. A
/// node is called `<module path>/<operator>`, followed by _1, _2, … if the name is taken. The
/// node's result is called `<node>_output`. A weight has the name of its key in the state dict.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/tensor.h"
#include "network/network.h"

namespace aether2onnx::graph {

/// The kind of an axis whose size is known only when the model runs; `none` for a fixed size.
enum class Symbol : std::uint8_t { none, batch, height, width };

/// One axis of a shape: a fixed size, or a multiple of the batch size, height or width.
struct Dim {
  Symbol symbol = Symbol::none;
  std::int64_t value = 1;  ///< The fixed size, or the factor of `symbol`.

  static Dim fixed(std::int64_t size) { return {Symbol::none, size}; }
  friend bool operator==(const Dim&, const Dim&) = default;
};

using Shape = std::vector<Dim>;

/// Index of a value of a graph: an input, a constant, or the result of a node.
using ValueId = std::size_t;

struct Value {
  std::string name;
  DType dtype = DType::float32;
  Shape shape;
  std::vector<std::int64_t> integers = {};  ///< The elements of a constant that lists axes.
};

using AttributeValue = std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>>;
using Attributes = std::map<std::string, AttributeValue>;

struct Node {
  std::string name;  ///< `<module path>/<operator>`
  std::string path;  ///< The module path alone.
  std::string op;
  std::vector<ValueId> inputs;
  ValueId output = 0;
  Attributes attributes;
};

/// A constant of the graph: a weight, a number such as the 0.5 in Gelu, or a list of axes.
struct Initializer {
  ValueId value = 0;
  /// Returns the elements before rounding to 16 bits. The writer converts them to the value's type.
  TensorLoader load;
  bool is_parameter = false;  ///< True for a weight of the network.
};

/// A graph. The nodes are in the order of execution: a node comes after the nodes that compute its
/// inputs.
class Graph {
 public:
  std::string name;
  std::int64_t scale = 1;  ///< Factor from the input's height and width to the output's.

  ValueId add_input(const std::string& input_name, DType dtype, Shape shape);
  /// Adds a weight. `shape` may differ from the shape that `load` returns, but the number of
  /// elements must be the same.
  ValueId add_parameter(const std::string& parameter_name, DType dtype,
                        std::span<const std::int64_t> shape, TensorLoader load);
  /// Returns the scalar constant with the value `number`. Adds the constant, named
  /// "const/<number>", if the graph does not have this constant yet.
  ValueId add_constant(DType dtype, double number);
  /// Returns the int64 constant with the elements `axes`. Adds the constant, named "const/axes", if
  /// the graph does not have a constant with these elements yet.
  ValueId add_axes(const std::vector<std::int64_t>& axes);
  /// Appends a node, and infers the type and shape of its result. Returns the id of the result.
  ValueId add_node(const std::string& path, const std::string& op, std::vector<ValueId> inputs,
                   Attributes attributes = {});
  /// Makes `value` the graph's output and renames it.
  void set_output(ValueId value, const std::string& output_name);

  const Value& value(ValueId id) const { return values_[id]; }
  Value& value(ValueId id) { return values_[id]; }
  const std::vector<Value>& values() const { return values_; }
  const std::vector<Node>& nodes() const { return nodes_; }
  const std::vector<Initializer>& initializers() const { return initializers_; }
  const std::vector<ValueId>& inputs() const { return inputs_; }
  const std::vector<ValueId>& outputs() const { return outputs_; }
  bool is_output(ValueId id) const;

 private:
  ValueId add_value(std::string value_name, DType dtype, Shape shape);
  std::string unique_name(const std::string& wanted);

  std::vector<Value> values_;
  std::vector<Node> nodes_;
  std::vector<Initializer> initializers_;
  std::vector<ValueId> inputs_;
  std::vector<ValueId> outputs_;
  std::map<std::pair<double, DType>, ValueId> constants_;
  std::map<std::vector<std::int64_t>, ValueId> axes_;
  std::map<std::string, int> names_;
};

/// Returns whether a node is a depthwise Conv. In our graphs, each Conv with more than one group of
/// channels is depthwise.
bool is_depthwise(const Node& node);

/// Returns the block or layer to which the module `path` belongs: the first name in the path and
/// the numbers after this name. The result for "layers.0.1.ffn.fc2" is "layers.0.1".
std::string block_of(std::string_view path);

/// An operator that only our graphs have, not ONNX: LayerNormalization over axis 1 of (N, C, H, W),
/// with scale and bias (C, 1, 1). The pass lower() replaces this operator at every opset.
inline constexpr const char* kChannelNormalization = "ChannelNormalization";

/// Returns the type and shape of an operator's result. Throws Error(internal) if the inputs don't
/// fit the operator, so that no wrong graph is ever written.
Value infer(const std::string& op, const std::vector<const Value*>& inputs,
            const Attributes& attributes);

/// Returns the operators that ConvertOptions::fp32_operators may name: all operators that a graph
/// may have, except Cast and ChannelNormalization.
const std::vector<std::string>& computing_operators();

/// Translates a network to a float32 graph with one input `input` and one output `output`. The pass
/// fuse() must have replaced each ReparameterizedConv2d and DeploymentNorm of the network.
/// Initializer::load reads the weights from `state_dict`, which must outlive the graph.
Graph build(const network::Network& network, const state_dict::StateDict& state_dict,
            const InputShape& shape, GraphForm form);

}  // namespace aether2onnx::graph
