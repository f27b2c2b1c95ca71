#include "graph/passes/passes.h"

namespace aether2onnx::graph {

Graph run_passes(const Graph& graph, const ConvertOptions& options, bool read_weights,
                 TypeDecisions& decisions) {
  const Graph typed = type(graph, options, read_weights, decisions);
  return lower(typed, options.opset());
}

}  // namespace aether2onnx::graph
