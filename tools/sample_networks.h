/// @file
/// Makes untrained weights of AetherNets of the first generation, for samples and tests. Follows
/// the list of keys that PyTorch writes; shares no code with the recogniser.
#pragma once

#include <cstdint>
#include <vector>

#include "checkpoint_writer.h"

namespace aether2onnx::tools {

struct NetworkShape {
  std::int64_t channels = 3;
  std::int64_t embed_dim = 8;
  std::vector<std::int64_t> depths = {2, 1};
  std::int64_t hidden_dim = 16;
  std::int64_t large_kernel = 5;
  std::int64_t small_kernel = 3;
  std::int64_t scale = 2;
  bool fused = false;
};

NetworkShape aether_small(std::int64_t scale, bool fused);
NetworkShape aether_medium(std::int64_t scale, bool fused);
NetworkShape aether_large(std::int64_t scale, bool fused);

/// Returns whether the tensors belong to a network of a later generation.
bool is_of_stages(const std::vector<NamedTensor>& tensors);

/// Returns all tensors of the network in the order of its state dict, with the values 0.
std::vector<NamedTensor> make_tensors(const NetworkShape& shape);

// The next three functions work for networks of every generation; stage_networks.h makes the later
// generations. They do not change integer tensors and the tensor "mean".

/// Sets uniform random weights whose sizes keep the activations near 1. The same seed gives the
/// same weights. Running variances are between 0.5 and 1.5, temperatures between 0.7 and 1.3.
void fill_random(std::vector<NamedTensor>& tensors, std::uint64_t seed);

/// Sets the weights with which reference outputs were computed: sines of the element's index. For
/// unfused networks; fuse() gives the fused network with the same output.
void fill_sines(std::vector<NamedTensor>& tensors);

/// Changes an unfused network with sine weights so that its output depends on the epsilon of the
/// normalizations.
void make_epsilon_sensitive(std::vector<NamedTensor>& tensors);

/// Returns the tensors of the fused network. Adds up the two branches of each block, as the
/// published class does when it is deployed.
std::vector<NamedTensor> fuse(const std::vector<NamedTensor>& unfused);

/// Returns the sum of two depthwise kernels (C, 1, K, K) and (C, 1, k, k). The small kernel is
/// added to the middle of the large kernel. The sum has the name of the large kernel.
NamedTensor centred_sum(NamedTensor large, const NamedTensor& small);

/// Sets weights that make the network an exact bilinear interpolation of the picture: the body adds
/// nothing, the upsampler has the kernels of the interpolation. Requires a fused network, at most 3
/// channels, at least as many feature channels, and a scale of 1, 2, 3 or 4.
void fill_bilinear(std::vector<NamedTensor>& tensors, const NetworkShape& shape);

}  // namespace aether2onnx::tools
