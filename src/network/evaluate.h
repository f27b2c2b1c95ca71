/// @file
/// Computes the elements of a network's weights from the tensors of a checkpoint, in float64.
///
/// A stored weight is a tensor of the checkpoint. A computed weight is the result of arithmetic on
/// tensors of the checkpoint, for example the sum of two kernels.
#pragma once

#include "base/tensor.h"
#include "network/network.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::network {

/// Returns the type of a weight's elements. For a stored weight, returns the tensor's type in the
/// checkpoint, or float32 if the tensor is quantized. For a computed weight, returns the type that
/// the sum of the weight's tensors has in PyTorch. The sum has the widest type of the tensors. The
/// sum of a float16 tensor and a bfloat16 tensor is float32.
DType stored_dtype(const Expression& expression, const state_dict::StateDict& state_dict);

/// Returns the elements of a weight. A stored weight keeps its type. A computed weight is rounded
/// once, to float32, or to float64 if one of the weight's tensors is float64. If the published
/// PyTorch class fuses the network, the class computes the same elements. A conversion starts with
/// these elements, so that a fused and an unfused checkpoint give the same ONNX file. If an element
/// is beyond float32's range, the returned tensor stays float64. The code that writes the tensor
/// then reports the element in an error. Throws Error(malformed) if the checkpoint cannot be read.
TensorData evaluate(const Expression& expression, const state_dict::StateDict& state_dict);

}  // namespace aether2onnx::network
