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
/// checkpoint, or float32 if the tensor is quantized. For a computed weight, returns the widest
/// type of the tensors from which the weight is computed, but float32 for a mixture of float16 and
/// bfloat16. In PyTorch, the sum of these tensors has this type, too.
DType stored_dtype(const Expression& expression, const state_dict::StateDict& state_dict);

/// Returns the elements of a weight. A stored weight keeps its type. A computed weight is rounded
/// once, to float32. But the weight stays float64 if it is computed from a float64 tensor, or if an
/// element is beyond float32's range. (The code that writes the weight then reports this element in
/// an error.) When the published PyTorch class fuses a network, the class computes weights with
/// these elements. A conversion starts with these elements, too, so that a fused and an unfused
/// checkpoint give the same ONNX file. Throws Error(malformed) if the checkpoint cannot be read.
TensorData evaluate(const Expression& expression, const state_dict::StateDict& state_dict);

}  // namespace aether2onnx::network
