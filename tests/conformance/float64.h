/// @file
/// Evaluates a whole ONNX graph in float64, whatever its types are: what the graph means, without
/// the roundings of its types and of a runtime's sums.
#pragma once

#include <onnx/onnx_pb.h>

#include "tensor.h"

namespace aether2onnx::test {

/// The first output for this input (N, C, H, W). Weights have the values that the file's types
/// give them. A Cast changes nothing. The divisor of the Erf chain is the square root of 2, which
/// 16-bit types round. Throws std::runtime_error for operators that the converter does not write.
verify::DoubleTensor evaluate_in_float64(const onnx::ModelProto& model,
                                         const verify::DoubleTensor& input);

}  // namespace aether2onnx::test
