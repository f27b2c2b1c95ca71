/// @file
/// Computes the elements of a network's weights from the tensors of a checkpoint, in float64.
#pragma once

#include "base/tensor.h"
#include "network/network.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::network {

/// Returns the type of a stored weight in the checkpoint; float32 if the weight is quantized. For a
/// computed weight, returns the type of the operands' sum in PyTorch: the wider type, or float32
/// for float16 with bfloat16.
DType stored_dtype(const Expression& expression, const state_dict::StateDict& state_dict);

/// Returns the elements of a weight. A stored weight keeps its type. A computed weight is rounded
/// once, to float32, or to float64 if an operand is stored as float64. PyTorch's fusion gives the
/// same elements. Conversion starts with these elements, so that a fused and an unfused checkpoint
/// give the same ONNX file. If an element is beyond float32's range, the tensor stays float64, so
/// that the writer reports the element. Throws Error(malformed) if the checkpoint cannot be read.
TensorData evaluate(const Expression& expression, const state_dict::StateDict& state_dict);

}  // namespace aether2onnx::network
