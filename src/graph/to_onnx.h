/// @file
/// Makes an onnx::Model (the content of an ONNX file) from a graph that lower() has made.
#pragma once

#include <cstdint>
#include <string>

#include "formats/onnx/onnx.h"
#include "graph/graph.h"

namespace aether2onnx::graph {

/// Returns the size of an axis of `value` as text: "64", "batch_size", "height" or "output_width".
/// A size between those of input and output is named by its factor, for example "height_x2".
std::string dim_text(const Dim& dim, const Graph& graph, ValueId value);

/// Counts elements of weights that became subnormal or zero when they were rounded to 16 bits.
struct WeightLoss {
  std::uint64_t subnormal = 0;
  std::uint64_t flushed_to_zero = 0;
};

/// Returns the ONNX model, without metadata. The loader of a weight converts the weight to the type
/// of the graph's value, and counts losses in `loss`, which must outlive the model. The loader
/// throws Error(precision) if an element is NaN, infinite or beyond the range of this type.
onnx::Model to_onnx(const Graph& graph, int opset, WeightLoss& loss);

}  // namespace aether2onnx::graph
