/// @file
/// Stage "fused weights": the network as it is deployed, and the numbers of its weights.
///
/// Owns the re-parameterisation (which modules become one), what else can be computed ahead of a
/// run, and the arithmetic on weights, all of it in float64, and to what it is rounded. Knows
/// modules and expressions, no network in particular.
#pragma once

#include "base/tensor.h"
#include "network/network.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::fusion {

/// What fuse() did.
struct Fusion {
  network::Network network;      ///< Without ReparameterizedConv2d; only parameters still in use.
  std::size_t convolutions = 0;  ///< How many pairs of convolutions became one.
  std::size_t norms = 0;         ///< How many took their statistics up into weight and bias.
};

/// The network in its fused state, as its published class has it and a fused checkpoint holds it.
///
/// Every ReparameterizedConv2d becomes one Conv2d: the small kernel is added to the middle of the
/// large one, the biases are added. Every DeploymentNorm that its generation fuses becomes a
/// ChannelAffine. Exact up to one rounding of each number, at the very end.
Fusion fuse(network::Network network);

/// What fold() did, by what was folded into convolutions.
struct Folding {
  network::Network network;
  std::size_t norms = 0;
  std::size_t temperatures = 0;
  std::size_t factors = 0;  ///< Of residual branches and of the image's range.
  std::size_t shifts = 0;   ///< Of channels, the image's mean for example.
};

/// Takes what can be computed ahead of a run into the weights of convolutions, where the result is
/// the same in exact arithmetic:
///  - what a convolution's output is multiplied by, and what is added to it, for each channel or
///    for all, where nothing else takes that output;
///  - a positive factor behind attention, which then takes its input scaled by the factor, and has
///    the weights that see it divided by the factor;
///  - what is added to each channel of the input of a convolution of 1 x 1, and a factor of the
///    input of any convolution. (Zero padding would see what is added, but not a factor.)
///
/// What can't be folded stays a module; a DeploymentNorm becomes a ChannelAffine. Every weight of a
/// fused checkpoint is rounded as the checkpoint would hold it before it is taken further, so that
/// a fused checkpoint and the unfused one give the same.
Folding fold(network::Network network);

/// The type in which a weight is stored; float32 for a quantized one. For a computed one, what
/// PyTorch gives for a sum of tensors of those types: the wider one, and float32 for float16 with
/// bfloat16.
DType stored_dtype(const network::Expression& expression, const state_dict::StateDict& state_dict);

/// The elements of a weight: as stored for a stored tensor. A computed one is made in float64 and
/// rounded once, to float32, or to float64 where a tensor in it is stored so: those are the numbers
/// of the network fused in PyTorch, and what every further conversion of them begins with, so that
/// a fused checkpoint and the unfused one give the same. A tensor with a sum beyond float32's range
/// stays float64, for the writer to tell.
/// Throws Error(malformed) where the checkpoint can't be read.
TensorData evaluate(const network::Expression& expression, const state_dict::StateDict& state_dict);

}  // namespace aether2onnx::fusion
