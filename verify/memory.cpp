#include "memory.h"

#include <algorithm>

namespace aether2onnx::verify {

using network::Network;

namespace {

// These constants are a little larger than values that were measured for the network aether_small
// x2, with libtorch 1.13 and ONNX Runtime 1.30 on glibc:
// - kLibraries, in bytes: after a run on a picture of 8 x 8 pixels, the process holds 239 MB.
// - kKeptSmallBlocks, in bytes: glibc returns freed blocks of more than 32 MB to the system, and
//   keeps smaller freed blocks. The freed blocks that glibc kept took at most 440 MB.
// - kKeptShare, a factor: if glibc keeps all freed blocks, new blocks do not fit into the gaps that
//   freed blocks leave, so the heap grows. For batches of 1 and 2 pictures of 256 x 256 pixels, the
//   heaps of both libraries together took 6.5 to 8.0 times the bytes of all live feature maps.
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
  // The bytes per input pixel of three tensors that stay in memory: the input (float32), the output
  // of the model (float32) and the output of the reference (float64).
  const double kept = cost.input_elements * 4 + cost.output_elements * (4 + 8);
  const auto size = static_cast<double>(element_size);
  // The weights are in memory three times: in the reference (`size` bytes a number), in the model
  // (4 bytes) and in a copy that ONNX Runtime rearranges (4 bytes).
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
