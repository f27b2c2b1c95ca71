/// @file
/// Estimates the memory that a comparison of the ONNX model with the reference needs. (The
/// reference computes the network from the checkpoint; see reference.h.)
#pragma once

#include <cstdint>

#include "inputs.h"
#include "network/network.h"

namespace aether2onnx::verify {

/// The most bytes that a comparison needs, including weights and libraries.
struct MemoryEstimate {
  /// Bytes if the allocator returns freed memory to the system at once.
  std::uint64_t frugal = 0;
  /// Bytes if the allocator keeps freed memory for the next feature map. Keeping freed memory makes
  /// a run several times faster, but needs several times more memory than `frugal`.
  std::uint64_t roomy = 0;
};

/// Estimates the memory of a comparison with one input of the shape `sizes`. The results are upper
/// bounds. A feature map takes memory from its creation to its last use. ONNX Runtime and libtorch
/// rearrange channels, so each convolution and each LayerNorm also needs memory for a copy of the
/// input and a copy of the output. `element_size` is the size of a number in the reference, in
/// bytes: 4 or 8.
MemoryEstimate estimate_memory(const network::Network& network, const Sizes& sizes,
                               std::size_t element_size);

/// Returns the number of multiply-adds that the network computes for one input of the shape
/// `sizes`. The callers estimate the progress and the time of a comparison with this number.
double estimate_work(const network::Network& network, const Sizes& sizes);

}  // namespace aether2onnx::verify
