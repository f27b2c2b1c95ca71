/// @file
/// Stage "fused weights": the network as it is deployed, and the numbers of its weights.
///
/// Owns the re-parameterisation (which modules become one) and the arithmetic on weights, all of it
/// in float64, and to what it is rounded. Knows modules and expressions, no network in particular.
#pragma once

#include "base/tensor.h"
#include "network/network.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::fusion {

/// What fuse() did.
struct Fusion {
  network::Network network;      ///< Without ReparameterizedConv2d; only parameters still in use.
  std::size_t convolutions = 0;  ///< How many pairs of convolutions became one.
};

/// Fuses every ReparameterizedConv2d into one Conv2d: the small kernel is added to the middle of
/// the large one, the biases are added. Exact up to one rounding of each sum, at the very end.
Fusion fuse(network::Network network);

/// The type in which a weight is stored. For a computed one, what PyTorch gives for a sum of
/// tensors of those types: the wider one, and float32 for float16 with bfloat16.
DType stored_dtype(const network::Expression& expression, const state_dict::StateDict& state_dict);

/// The elements of a weight: as stored for a stored tensor. A computed one is made in float64 and
/// rounded once, to float32, or to float64 where a tensor in it is stored so: those are the numbers
/// of the network fused in PyTorch, and what every further conversion of them begins with, so that
/// a fused checkpoint and the unfused one give the same. A tensor with a sum beyond float32's range
/// stays float64, for the writer to tell.
/// Throws Error(malformed) where the checkpoint can't be read.
TensorData evaluate(const network::Expression& expression, const state_dict::StateDict& state_dict);

}  // namespace aether2onnx::fusion
