/// @file
/// Makes an onnx::Model (the content of an ONNX file) from a graph that lower() has made.
#pragma once

#include <cstdint>
#include <string>

#include "formats/onnx/onnx.h"
#include "graph/graph.h"

namespace aether2onnx::graph {

/// Returns the size of an axis of `value` as text: "64", "batch_size", "height" or "output_width".
/// If an axis is larger than the input's axis, but smaller than the output's axis, the text ends in
/// the axis's factor: "height_x2" is twice the height of the input.
std::string dim_text(const Dim& dim, const Graph& graph, ValueId value);

/// Counts elements of weights that became subnormal or zero when they were rounded to 16 bits.
struct WeightLoss {
  std::uint64_t subnormal = 0;
  std::uint64_t flushed_to_zero = 0;
};

/// Returns the ONNX model, without metadata. onnx::Tensor::load() of a weight converts the weight
/// to the type that the weight has in the graph. load() throws Error(precision) if an element is
/// NaN, infinite or beyond the range of this type. load() also adds to `loss` how many elements
/// became subnormal or zero. `loss` must outlive the model.
onnx::Model to_onnx(const Graph& graph, int opset, WeightLoss& loss);

}  // namespace aether2onnx::graph
