#include "memory.h"

#include <algorithm>

namespace aether2onnx::verify {

using network::Network;

namespace {

// Bytes and factors, a little above what was measured with libtorch 1.13 and ONNX Runtime 1.30 on
// glibc, for aether_small x2:
// - kLibraries: after a run on a picture of 8 x 8 pixels, the process holds 239 MB.
// - kKeptSmallBlocks: glibc returns freed blocks of more than 32 MB to the system and keeps smaller
//   blocks. The kept blocks took at most 440 MB.
// - kKeptShare: if glibc keeps all freed blocks, new blocks do not fit between them. The heaps of
//   both libraries took 6.5 to 8.0 times the size of all values (1 and 2 pictures of 256 x 256).
constexpr double kLibraries = 250e6;
constexpr double kKeptSmallBlocks = 512e6;
constexpr double kKeptShare = 9;

double pixels_of(const Sizes& sizes) {
  return static_cast<double>(sizes[0]) * static_cast<double>(sizes[2]) *
         static_cast<double>(sizes[3]);
}

}  // namespace

MemoryEstimate estimate_memory(const Network& network, const Sizes& sizes,
                               std::size_t element_size) {
  const network::Cost cost = network::cost_of(network);
  // Bytes per pixel of the image (float32) and both outputs (model: float32, reference: float64).
  const double kept = cost.input_elements * 4 + cost.output_elements * (4 + 8);
  const auto size = static_cast<double>(element_size);
  // Bytes of the libraries, the weights (reference, model, ONNX Runtime's copy) and `kept` tensors.
  const double fixed = kLibraries + cost.parameters * (size + 4 + 4) + kept * pixels_of(sizes);
  const double values = cost.live_elements_with_copies * size * pixels_of(sizes);
  const auto whole = [](double bytes) {
    constexpr double largest = 1e18;
    return static_cast<std::uint64_t>(std::min(bytes, largest));
  };
  return {whole(fixed + values + std::min((kKeptShare - 1) * values, kKeptSmallBlocks)),
          whole(fixed + kKeptShare * values)};
}

double estimate_work(const Network& network, const Sizes& sizes) {
  return network::cost_of(network).multiply_adds * pixels_of(sizes);
}

}  // namespace aether2onnx::verify
