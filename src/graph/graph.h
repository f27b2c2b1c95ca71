/// @file
/// Stage "graph": the network as ONNX operators on named, typed, shaped values.
///
/// Owns the intermediate representation and its shape inference, and the translation of modules
/// into operators. Operators have the meaning of the newest opset; what an older opset lacks is
/// lowered when the file is written. The representation knows nothing of any network.
///
/// Names are part of the contract with users and stay the same from release to release: a node is
/// called `<module path>/<operator>` (with _1, _2, … for a second one there), the value it makes
/// `<node>_output`, a weight as in the state dict.
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
#include "network/passes/passes.h"

namespace aether2onnx::graph {

/// An axis that is known only when the model runs.
enum class Symbol : std::uint8_t { none, batch, height, width };

/// One axis of a shape: a number, or a multiple of a symbol.
struct Dim {
  Symbol symbol = Symbol::none;
  std::int64_t value = 1;  ///< The size, or the symbol's factor.

  static Dim fixed(std::int64_t size) { return {Symbol::none, size}; }
  friend bool operator==(const Dim&, const Dim&) = default;
};

using Shape = std::vector<Dim>;

/// Index of a value of a graph.
using ValueId = std::size_t;
/// An input that an operator leaves out.
inline constexpr ValueId kNoInput = ~ValueId{0};

struct Value {
  std::string name;
  DType dtype = DType::float32;
  Shape shape;
  std::vector<std::int64_t> integers =
      {};  ///< What a constant of integers holds, axes for example.
};

/// What a node's attribute may be.
using AttributeValue = std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>>;

struct Node {
  std::string name;  ///< `<module path>/<operator>`
  std::string path;  ///< The module path alone.
  std::string op;
  std::vector<ValueId> inputs;
  ValueId output = 0;
  std::map<std::string, AttributeValue> attributes;
};

/// A constant of the graph.
struct Initializer {
  ValueId value = 0;
  /// Gives the elements, in the type in which they are known best; they are converted to the
  /// value's type when they are written.
  TensorLoader load;
  bool is_parameter = false;  ///< A weight of the network, not a constant of a formula.
};

/// A graph in the order of execution: every value is made before it is used.
class Graph {
 public:
  std::string name;
  std::int64_t scale = 1;  ///< Factor from the input's height and width to the output's.

  ValueId add_input(const std::string& input_name, DType dtype, Shape shape);
  /// A weight. `shape` may differ from the loader's as long as the number of elements is the same.
  ValueId add_parameter(const std::string& parameter_name, DType dtype,
                        std::span<const std::int64_t> shape, TensorLoader load);
  /// A scalar of a formula, named "const/<value>"; one initializer serves all who ask for it.
  ValueId add_constant(DType dtype, double number);
  /// Numbers of axes, an int64 vector named "const/axes"; one initializer serves all who ask for
  /// it.
  ValueId add_axes(const std::vector<std::int64_t>& axes);
  /// Appends a node and infers the type and shape of what it makes.
  ValueId add_node(const std::string& path, const std::string& op, std::vector<ValueId> inputs,
                   std::map<std::string, AttributeValue> attributes = {});
  /// Makes `value` the graph's output, under a name of its own.
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

/// Adds an initializer of `source` to `target`, as one of the type `dtype`.
ValueId copy_initializer(const Graph& source, const Initializer& initializer, DType dtype,
                         Graph& target);

/// Whether a node makes one value for each channel of a group of its own: a depthwise Conv.
bool is_depthwise(const Node& node);

/// The part of the network that a module belongs to: the first name of its path with the numbers
/// behind it, "layers.0.1" of "layers.0.1.ffn.fc2" and "conv_last" of "conv_last".
std::string block_of(std::string_view path);

/// An operator of this graph that isn't ONNX's, and is lowered at every opset: LayerNormalization
/// over axis 1 of (N, C, H, W) at each pixel, scale and bias (C, 1, 1).
inline constexpr const char* kChannelNormalization = "ChannelNormalization";

/// The attribute `to` of a Cast: TensorProto.DataType of float32, float16 or bfloat16.
std::int64_t cast_type(DType dtype);

/// Type and shape of what an operator makes. Throws Error(internal) where the inputs don't fit the
/// operator, so that no wrong graph is ever written.
Value infer(const std::string& op, const std::vector<const Value*>& inputs,
            const std::map<std::string, AttributeValue>& attributes);

/// Translates a fused network to a float32 graph with one input `input` and one output `output`.
/// Its weights are read from `state_dict`, which must outlive it.
Graph build(const network::Network& network, const state_dict::StateDict& state_dict,
            const InputShape& shape, GraphForm form);

}  // namespace aether2onnx::graph
