/// @file
/// Stage "precision": the types of a graph's values.
///
/// Owns the decision which values are float16 and where casts stand. The weights are converted when
/// they are written, to the type that their value has here.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include "graph/graph.h"

namespace aether2onnx::precision {

/// Gives a float32 graph the precision asked for. fp16: every value becomes float16, input and
/// output included, as a PyTorch network after .half(); the statistics of LayerNormalization stay
/// float32 (its stash_type, or casts where an older opset lacks the operator).
void apply(graph::Graph& graph, Precision precision);

}  // namespace aether2onnx::precision
