/// @file
/// The passes on the modules of a network, in the order in which a conversion runs them. A pass
/// makes a new network that computes the same values. A pass changes modules, and the expressions
/// (network.h) that tell how to compute the weights. Passes contain no code for a particular
/// generation of AetherNet, so they also work for a new generation.
#pragma once

#include "network/network.h"

namespace aether2onnx::network {

/// The result of the pass fuse().
struct Fused {
  Network network;               ///< The fused network, without ReparameterizedConv2d.
  std::size_t convolutions = 0;  ///< Number of pairs that became one convolution.
  std::size_t norms = 0;         ///< Number of norms with statistics folded into weight and bias.
};

/// Pass 1: returns the fused network, in which some weights are merged. A fused checkpoint contains
/// the weights of this network. The published PyTorch class can merge its weights in the same way.
///
/// Every ReparameterizedConv2d becomes one Conv2d: the small kernel is added to the middle of the
/// large kernel, and the biases are added. Every DeploymentNorm becomes a ChannelAffine, unless its
/// member when_fused is `kept`. (One generation, G5x, does not fuse its norms.) The result is
/// exact, except that each element of a new weight is rounded once, at the end.
Fused fuse(Network network);

/// The result of the pass fold(), and the numbers of modules that were folded into convolutions.
struct Folded {
  Network network;
  std::size_t norms = 0;
  std::size_t temperatures = 0;
  std::size_t factors = 0;  ///< Factors of residual branches and of the image's range.
  std::size_t shifts = 0;   ///< Offsets of channels, for example the image's mean.
};

/// Pass 2: folds the following modules into the weights of convolutions, so that the modules
/// disappear. In exact arithmetic, the network's output stays the same.
///  - Scale, ChannelShift, ChannelAffine and DeploymentNorm, if the module's input is a
///    convolution's output that no other module reads.
///  - Scale with a positive number after attention. fold() then scales the convolution before the
///    attention, and divides the attention's first weight (reduce_weight or the spatial
///    convolution) by the number, so that the attention's factors stay the same.
///  - Scale, if only convolutions read its output.
///  - ChannelShift, if only 1 x 1 convolutions without groups read its output. (Larger convolutions
///    pad their input with zeros. A factor leaves these zeros 0, but an offset does not.)
///
/// fold() copies the other modules, but makes a ChannelAffine of each DeploymentNorm. fold() first
/// rounds computed weights as a fused checkpoint stores them, so that a fused checkpoint and the
/// unfused checkpoint give the same ONNX file.
Folded fold(Network network);

}  // namespace aether2onnx::network
