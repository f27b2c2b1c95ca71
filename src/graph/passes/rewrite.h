/// @file
/// The helper of all passes on graphs: makes a new graph from an old graph, node by node.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "graph/graph.h"

namespace aether2onnx::graph {

/// Copies a graph in the order of its nodes. A pass decides how to replace each node.
class Rewriter {
 public:
  /// `old` must outlive the rewriter. Inputs and outputs of the new graph have the type `edge`;
  /// without `edge`, inputs and outputs keep their types.
  explicit Rewriter(const Graph& old, std::optional<DType> edge = std::nullopt);

  const Graph& source;
  Graph target;

  /// Returns the Initializer of a value of `source`; null if the value is no weight or constant.
  const Initializer* initializer(ValueId value) const;

  /// Returns the value of the new graph that replaces a value of `source`, in the type `dtype`: a
  /// copy of a weight or constant, or the result of a node, cast to `dtype` if necessary.
  ValueId use(ValueId value, DType dtype, const std::string& path);

  /// Returns `value` (of the new graph) in the type `dtype`. Casts a value to each type only once.
  ValueId cast(ValueId value, DType dtype, const std::string& path);

  /// Copies a node. All inputs get the type `dtype`; without `dtype`, inputs keep their types.
  ValueId copy(const Node& node, std::optional<DType> dtype = std::nullopt);

  /// Calls `replace` with each node. `replace` returns the value that replaces the node's output.
  template <typename Replace>
  Graph run(Replace replace) {
    for (const Node& node : source.nodes()) made_[node.output] = replace(node);
    return finish();
  }

 private:
  Graph finish();

  std::optional<DType> edge_;
  std::map<ValueId, const Initializer*> initializers_;
  std::map<ValueId, ValueId> made_;  // by value of `source`: value of `target`
  std::map<std::pair<ValueId, DType>, ValueId> copies_;
  std::map<std::pair<ValueId, DType>, ValueId> casts_;
};

}  // namespace aether2onnx::graph
