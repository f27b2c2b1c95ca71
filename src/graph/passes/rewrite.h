/// @file
/// The helper of all passes: makes a new graph from an old graph, node by node.
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
  /// without `edge`, they keep their types.
  explicit Rewriter(const Graph& old, std::optional<DType> edge = std::nullopt);

  const Graph& source;
  Graph target;

  /// Returns the initializer of a value of `source`; null if the value has no initializer.
  const Initializer* initializer(ValueId value) const;

  /// Returns the value in the new graph that replaces a value of `source`, in the type `dtype`: a
  /// copy of the initializer, or the result of a node, with a Cast if the type differs.
  ValueId use(ValueId value, DType dtype, const std::string& path);

  /// Returns a value of the new graph in the type `dtype`. A value is cast to a type only once.
  ValueId cast(ValueId value, DType dtype, const std::string& path);

  /// Copies a node. All its inputs get the type `dtype`; without `dtype`, they keep their types.
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
  std::map<ValueId, ValueId> made_;  // by value of the source: its replacement
  std::map<std::pair<ValueId, DType>, ValueId> copies_;
  std::map<std::pair<ValueId, DType>, ValueId> casts_;
};

}  // namespace aether2onnx::graph
