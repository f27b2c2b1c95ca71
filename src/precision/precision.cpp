#include "precision/precision.h"

namespace aether2onnx::precision {

void apply(graph::Graph& graph, Precision precision) {
  if (precision == Precision::fp32) return;
  for (graph::ValueId id = 0; id < graph.values().size(); ++id) {
    if (graph.value(id).dtype == DType::float32) graph.value(id).dtype = DType::float16;
  }
}

}  // namespace aether2onnx::precision
