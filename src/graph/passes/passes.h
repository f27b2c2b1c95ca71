/// @file
/// The passes on graphs of ONNX operators. Each pass makes a new graph from an old graph.
/// run_passes() runs the passes in the right order. A pass looks only at the graph's operators, and
/// treats all networks alike.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstddef>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace aether2onnx::graph {

/// Returns the type that convolutions and most other operators use at this precision.
DType compute_type(Precision precision);

/// For reports: how many convolutions, normalizations and sums compute in 16 bits or in float32
/// after the pass type(), and how many Casts the pass added.
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
/// networks require this. If an operator needs a value in another type, a Cast converts the value.
/// Each value has at most one Cast to each type. No Cast reads the output of another Cast. Weights
/// need no Cast: to_onnx() converts each weight to the type that the weight has in the graph.
///
/// fp16, bf16: all operators use 16 bits, like a PyTorch network after .half(). Normalizations
/// still compute mean and variance in float32: the attribute stash_type makes LayerNormalization
/// use float32, and lower() adds Casts to the operators that replace a LayerNormalization.
///
/// mixed_fp16, mixed_bf16: normalizations, means over the whole picture and additions of constants
/// (for example the image's mean) use float32. Transpose, DepthToSpace and LeakyRelu use whichever
/// type avoids a Cast. All other operators use 16 bits. bfloat16 has only 8 bits of precision.
/// Therefore mixed_bf16 also uses float32 for sums of feature maps, and for convolutions that read
/// the input image or make the output image. docs/precision.md has the measurements.
///
/// At every precision, a sum or a normalization is float32 if one of its inputs is float32. The
/// operators in ConvertOptions::fp32_operators are always float32.
///
/// If `read_weights`, mixed_fp16 keeps convolutions with weights beyond float16's range in float32.
/// Throws Error(mismatch) if a path in ConvertOptions::fp32_blocks is no module of the network.
Graph type(const Graph& graph, const ConvertOptions& options, bool read_weights,
           TypeDecisions& decisions);

/// Splits each depthwise convolution that has a kernel of K x K, with `size` < K <= 13. The sum of
/// four 7 x 7 convolutions replaces the large convolution. `size` is at least 7. Each 7 x 7 kernel
/// covers a corner of the large kernel. If two 7 x 7 kernels cover the same element, the later
/// kernel has a zero there. The types of the graph stay the same.
///
/// cuDNN has a fast float16 kernel for depthwise convolutions up to 7 x 7 (docs/performance.md).
Graph split_kernels_over(const Graph& graph, int size);

/// Replaces 1 x 1 convolutions on feature maps by MatMul and Add in NHWC, because ONNX Runtime's
/// CUDA provider runs MatMul faster (docs/performance.md). Element-wise operators between two of
/// these MatMuls use NHWC as well. If operators need an NHWC value in NCHW, or an NCHW value in
/// NHWC, the pass adds one Transpose for all these operators. The types stay the same.
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
