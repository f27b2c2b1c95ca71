/// @file
/// Stage "precision": the types of a graph's values.
///
/// Owns the decision which values are float32, float16 and bfloat16, and where casts stand. The
/// weights are converted when they are written, to the type that their value has here. Knows
/// operators and no network.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <string>
#include <vector>

#include "graph/graph.h"

namespace aether2onnx::precision {

/// The type of convolutions, and of everything that isn't sensitive.
DType heavy_type(Precision precision);

/// Whether the mode keeps what is sensitive in float32.
bool is_mixed(Precision precision);

/// A graph with types, and what was decided.
struct Typed {
  graph::Graph graph;
  std::size_t half_convolutions = 0;
  std::size_t float32_convolutions = 0;
  std::size_t float32_normalizations = 0;
  std::size_t float32_sums = 0;
  std::size_t casts = 0;
  /// Paths of the convolutions that stay float32 because a weight is beyond float16's range.
  std::vector<std::string> out_of_range;
};

/// Gives a float32 graph the types that `options` asks for.
///
/// An operator has one type: all its inputs and its output have it, as strongly typed TensorRT
/// networks demand. Where a value is of another type than the operator that takes it, a Cast stands
/// between; a value is cast to a type once, however many take it, and a cast is never cast again.
///
/// fp16, bf16: every operator has that type, as a PyTorch network after .half(); the statistics of
/// normalizations stay float32 by stash_type or by the operators that they are lowered to.
/// mixed_fp16, mixed_bf16: normalizations, means over the whole picture and additions of constants
/// (the image's mean) are float32, everything else is half; what only moves values follows. In
/// mixed_bf16, whose type has 8 bits, the sums of feature maps are float32 too, and the
/// convolutions that read and make the image. docs/precision.md has the measurements.
///
/// In all of them a sum or a normalization that takes a float32 value (of a part that stays so) is
/// float32 too.
///
/// `read_weights`: whether convolutions of mixed_fp16 are looked through for weights beyond
/// float16's range.
/// Throws Error(mismatch) where a path of Options::fp32_blocks isn't in the network.
Typed apply(const graph::Graph& graph, const Options& options, bool read_weights);

}  // namespace aether2onnx::precision
