#include "graph/passes/passes.h"

namespace aether2onnx::graph {

Graph run_passes(const Graph& graph, const ConvertOptions& options, bool read_weights,
                 TypeDecisions& decisions) {
  Graph typed = type(graph, options, read_weights, decisions);
  if (options.split_kernels_over) typed = split_kernels_over(typed, *options.split_kernels_over);
  if (options.projections == Projections::matmul) typed = projections_as_matmul(typed);
  return lower(typed, options.opset(), options.gelu_form());
}

}  // namespace aether2onnx::graph
