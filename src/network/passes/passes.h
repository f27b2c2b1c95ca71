/// @file
/// The passes on the modules of a network, in the order in which a conversion runs them. A pass
/// makes a new network that computes the same values. Passes use modules and formulas of weights,
/// but no knowledge of a particular network.
#pragma once

#include "network/network.h"

namespace aether2onnx::network {

/// The result of the pass fuse().
struct Fused {
  Network network;               ///< The fused network, without ReparameterizedConv2d.
  std::size_t convolutions = 0;  ///< Number of pairs that became one convolution.
  std::size_t norms = 0;         ///< Number of norms with statistics folded into weight and bias.
};

/// Pass 1: returns the fused network. The published class computes this network after fusion, and a
/// fused checkpoint contains it.
///
/// Every ReparameterizedConv2d becomes one Conv2d: the small kernel is added to the middle of the
/// large kernel, and the biases are added. Every DeploymentNorm that its generation fuses becomes a
/// ChannelAffine. The result is exact, except that each element is rounded once, at the end.
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
///  - A factor or an offset of a convolution's output, for each channel or for all channels, if no
///    other module reads this output.
///  - A positive factor after attention. The input of the attention is then scaled by the factor,
///    and the attention's first weights are divided by the factor.
///  - An offset of each channel at the input of a 1 x 1 convolution, and a factor at the input of
///    any convolution. (A factor leaves the zeros of the padding 0. An offset does not.)
///
/// The other modules are copied; a DeploymentNorm becomes a ChannelAffine. Computed weights are
/// first rounded as a fused checkpoint stores them, so that a fused checkpoint and the unfused
/// checkpoint give the same ONNX file.
Folded fold(Network network);

}  // namespace aether2onnx::network
