/// @file
/// Weights of first-generation AetherNets without any training, for samples and tests. Written from
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

/// Whether they are of a network of a later generation.
bool is_of_stages(const std::vector<NamedTensor>& tensors);

/// All tensors of the network in the order of its state dict, values 0.
std::vector<NamedTensor> make_tensors(const NetworkShape& shape);

// The next three are for networks of every generation, stage_networks.h has the later ones. They
// leave integer tensors and the mean as they are.

/// Uniform random weights whose sizes keep the activations near 1; the same seed gives the same.
/// Running variances are between 0.5 and 1.5, temperatures between 0.7 and 1.3.
void fill_random(std::vector<NamedTensor>& tensors, std::uint64_t seed);

/// The rule by which reference outputs were computed: sines of the element's index. For unfused
/// networks; fuse() gives the fused one of the same output.
void fill_sines(std::vector<NamedTensor>& tensors);

/// Makes an unfused network with sine weights depend on the epsilon of its normalizations.
void make_epsilon_sensitive(std::vector<NamedTensor>& tensors);

/// The tensors of the fused network: the two branches of each block added up, as the published
/// class does it when it is deployed.
std::vector<NamedTensor> fuse(const std::vector<NamedTensor>& unfused);

/// Two depthwise kernels (C, 1, K, K) and (C, 1, k, k) as one: the small one added to the middle of
/// the large one, whose name stays.
NamedTensor centred_sum(NamedTensor large, const NamedTensor& small);

/// Weights that make the network a bilinear interpolation of the picture, exactly: the body adds
/// nothing, the upsampler holds the interpolation's kernels. Needs at least 3 feature channels, a
/// scale of 1, 2, 3 or 4, and a fused network.
void fill_bilinear(std::vector<NamedTensor>& tensors, const NetworkShape& shape);

}  // namespace aether2onnx::tools
