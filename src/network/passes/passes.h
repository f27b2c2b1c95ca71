/// @file
/// The passes on the modules of a network, in the order in which a conversion runs them. A pass
/// takes a network and makes another one with the same values. Passes know modules and expressions,
/// but no particular network.
#pragma once

#include "network/network.h"

namespace aether2onnx::network {

/// The result of fuse().
struct Fused {
  Network network;               ///< Without ReparameterizedConv2d.
  std::size_t convolutions = 0;  ///< Pairs of convolutions that became one.
  std::size_t norms = 0;         ///< Norms whose weight and bias took up the statistics.
};

/// Pass 1: the fused state of the network, as its published class has it and as a fused checkpoint
/// holds it.
///
/// Every ReparameterizedConv2d becomes one Conv2d: the small kernel is added to the middle of the
/// large kernel, and the biases are added. Every DeploymentNorm that its generation fuses becomes a
/// ChannelAffine. The result is exact up to one rounding of each number, at the very end.
Fused fuse(Network network);

/// The result of fold(), with the numbers of modules folded into convolutions.
struct Folded {
  Network network;
  std::size_t norms = 0;
  std::size_t temperatures = 0;
  std::size_t factors = 0;  ///< Of residual branches and of the image's range.
  std::size_t shifts = 0;   ///< Of channels, for example the image's mean.
};

/// Pass 2: takes modules into the weights of convolutions if the result is the same in exact
/// arithmetic:
///  - a factor and an offset of a convolution's output, for each channel or for all, if no other
///    module takes that output;
///  - a positive factor behind attention: attention then takes its input scaled by the factor, and
///    the attention's first weights are divided by the factor;
///  - an offset of each channel of the input of a 1 x 1 convolution, and a factor of the input of
///    any convolution. (Zero padding would see an offset, but no factor.)
///
/// The other modules stay; a DeploymentNorm becomes a ChannelAffine. Every weight of a fused
/// checkpoint is first rounded as the checkpoint holds it, so that a fused checkpoint and the
/// unfused one give the same ONNX file.
Folded fold(Network network);

}  // namespace aether2onnx::network
