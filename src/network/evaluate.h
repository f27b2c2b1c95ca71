/// @file
/// The numbers of a network's weights, computed in float64.
#pragma once

#include "base/tensor.h"
#include "network/network.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::network {

/// The type in which a weight is stored; float32 for a quantized weight. For a computed weight, the
/// type of PyTorch's sum of the operands: the wider type, and float32 for float16 with bfloat16.
DType stored_dtype(const Expression& expression, const state_dict::StateDict& state_dict);

/// The elements of a weight. A stored weight keeps its type. A computed weight is rounded once, to
/// float32, or to float64 if an operand is stored as float64. These are the numbers of the network
/// fused in PyTorch, and further conversions begin with them, so that a fused checkpoint and the
/// unfused one give the same ONNX file. A tensor with a sum beyond float32's range stays float64,
/// so that the writer reports the sum. Throws Error(malformed) if the checkpoint cannot be read.
TensorData evaluate(const Expression& expression, const state_dict::StateDict& state_dict);

}  // namespace aether2onnx::network
