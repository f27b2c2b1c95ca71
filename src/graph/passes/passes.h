/// @file
/// The passes on graphs of ONNX operators, and the order in which they run. Each pass makes a new
/// graph from an old graph. Passes use operators, but no knowledge of networks.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstddef>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace aether2onnx::graph {

/// Returns the type in which `precision` computes convolutions and most other operators.
DType compute_type(Precision precision);

/// Counts of the types that the pass type() has chosen, for reports.
struct TypeDecisions {
  std::size_t half_convolutions = 0;
  std::size_t float32_convolutions = 0;
  std::size_t float32_normalizations = 0;
  std::size_t float32_sums = 0;
  std::size_t casts = 0;
  /// Paths of the convolutions that stay float32 because a weight is beyond float16's range.
  std::vector<std::string> out_of_range;
};

/// Gives the values of a float32 graph the types that `options` require, and adds Casts.
///
/// All inputs and the output of an operator have the same type, because strongly typed TensorRT
/// networks require this. If an operator needs a value in another type, a Cast converts the value,
/// once for each type. A cast value is never cast again. Weights need no Cast: the writer converts
/// each weight to the type of its value in the graph.
///
/// fp16, bf16: every operator has 16 bits, like a PyTorch network after .half(). The statistics of
/// normalizations stay float32, because of stash_type or of the operators that lower() adds.
/// mixed_fp16, mixed_bf16: normalizations, means over the whole picture and additions of constants
/// (for example the image's mean) are float32. All other operators have 16 bits. Operators that
/// pass values on take whichever type avoids a Cast. bfloat16 has only 8 bits of precision.
/// Therefore mixed_bf16 also keeps in float32 the sums of feature maps and the convolutions that
/// read or make the image. docs/precision.md has the measurements.
/// In every mode, a sum or a normalization is float32 if one of its inputs is float32, and the
/// operators of ConvertOptions::fp32_operators are float32.
///
/// If `read_weights`, mixed_fp16 keeps convolutions with weights beyond float16's range in float32.
/// Throws Error(mismatch) if the network has no part for a path in ConvertOptions::fp32_blocks.
Graph type(const Graph& graph, const ConvertOptions& options, bool read_weights,
           TypeDecisions& decisions);

/// Replaces each depthwise convolution with a kernel of K x K, size < K <= 13, by the sum of four
/// convolutions of 7 x 7. `size` is at least 7. Each 7 x 7 kernel covers a corner of the large
/// kernel. If two of them cover the same element, the later 7 x 7 kernel has a zero there. The
/// types of the graph stay the same.
///
/// cuDNN has a fast float16 kernel for depthwise convolutions up to 7 x 7 (docs/performance.md).
Graph split_kernels_over(const Graph& graph, int size);

/// Replaces 1 x 1 convolutions on feature maps by MatMul and Add in NHWC. Element-wise operators
/// between two of these MatMuls use NHWC as well. If an operator needs NCHW after NHWC, or NHWC
/// after NCHW, a Transpose is added, once for each value. The types stay the same.
Graph projections_as_matmul(const Graph& graph);

/// Replaces operators that `opset` does not have by operators of `opset`. Names and weights stay
/// the same. Gelu came with opset 20, LayerNormalization with 17. From opset 18 on, the axes of
/// reductions are an input. All other operators in use are the same from kMinOpset to kMaxOpset.
/// With GeluForm::erf, Gelu is replaced at every opset.
Graph lower(const Graph& graph, int opset, GeluForm gelu);

/// Runs all passes that `options` require, in the right order, and returns the last graph.
Graph run_passes(const Graph& graph, const ConvertOptions& options, bool read_weights,
                 TypeDecisions& decisions);

}  // namespace aether2onnx::graph
