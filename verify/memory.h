/// @file
/// Estimates the memory of a comparison before it runs.
#pragma once

#include <cstdint>

#include "inputs.h"
#include "network/network.h"

namespace aether2onnx::verify {

/// The most bytes that a comparison needs, with weights and libraries.
struct MemoryEstimate {
  /// Bytes if freed memory returns to the system at once.
  std::uint64_t frugal = 0;
  /// Bytes if freed memory is kept for the next feature map. This is several times faster, but
  /// needs several times more memory.
  std::uint64_t roomy = 0;
};

/// Estimates one run on an input of this shape. The results are upper bounds by design. A value
/// counts from its creation to its last use. Every convolution also counts a copy of its input and
/// output, because both libraries rearrange channels. `element_size` is the size of the reference's
/// numbers in bytes: 4 or 8.
MemoryEstimate estimate_memory(const network::Network& network, const Sizes& sizes,
                               std::size_t element_size);

/// Returns the multiply-adds of one run. Estimates of the progress and the time use this number.
double estimate_work(const network::Network& network, const Sizes& sizes);

}  // namespace aether2onnx::verify
