/// @file
/// How much memory a comparison takes, told before it is made.
#pragma once

#include <cstdint>

#include "inputs.h"
#include "network/network.h"

namespace aether2onnx::verify {

/// Bytes that a comparison takes at the most, weights and libraries included.
struct MemoryEstimate {
  /// Freed memory goes back to the system at once.
  std::uint64_t frugal = 0;
  /// Freed memory is kept for the next feature map: several times as fast, and several times as
  /// much.
  std::uint64_t roomy = 0;
};

/// For one input of this shape. Upper bounds by design: values are counted from where they are made
/// to where they are last used, and every convolution with a copy of what goes in and comes out,
/// since both libraries rearrange channels. `element_size` is 4 or 8, as the reference computes.
MemoryEstimate estimate_memory(const network::Network& network, const Sizes& sizes,
                               std::size_t element_size);

/// Multiplications and additions of one run, to tell how the runs' times compare.
double estimate_work(const network::Network& network, const Sizes& sizes);

}  // namespace aether2onnx::verify
