/// @file
/// The records of an ONNX file, made from a lowered graph.
#pragma once

#include <cstdint>
#include <string>

#include "formats/onnx/onnx.h"
#include "graph/graph.h"

namespace aether2onnx::graph {

/// An axis as text: "64", "batch_size", "height" or "output_width". An axis between the input's
/// size and the output's is called "height_x2" and so on.
std::string dim_text(const Dim& dim, const Graph& graph, ValueId value);

/// Counts weights that the conversion to a type of 16 bits made subnormal or zero.
struct WeightLoss {
  std::uint64_t subnormal = 0;
  std::uint64_t flushed_to_zero = 0;
};

/// Makes the model, but for its metadata. Each loader converts its weight to the type of the
/// graph's value, and adds to `loss`, which must outlive the model. A loader throws
/// Error(precision) if an element is NaN, infinite or beyond the range of that type.
onnx::Model to_onnx(const Graph& graph, int opset, WeightLoss& loss);

}  // namespace aether2onnx::graph
