/// @file
/// Stage "fused weights": the network as it is deployed, and the numbers of its weights.
///
/// Owns the re-parameterisation (which modules become one) and the arithmetic on weights, all of it
/// in float64. Knows modules and expressions, no network in particular.
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

/// The elements of a weight: as stored for a stored tensor, float64 for a computed one.
/// Throws Error(malformed) where the checkpoint can't be read.
TensorData evaluate(const network::Expression& expression, const state_dict::StateDict& state_dict);

}  // namespace aether2onnx::fusion
