/// @file
/// The first generation's keys and dimensions, for the two files that recognise it: in a state dict
/// and in a graph. Private to this stage.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "network/network.h"

namespace aether2onnx::network {

struct Dimensions {
  std::int64_t channels = 0;
  std::int64_t embed_dim = 0;
  std::vector<std::int64_t> depths;
  std::int64_t hidden_dim = 0;
  std::int64_t large_kernel = 0;
  std::int64_t small_kernel = 0;  ///< 0 where fused and not noted.
  std::int64_t feature_width = 0;
  std::vector<std::int64_t> shuffle_factors;
  bool fused = true;

  std::int64_t scale() const {
    std::int64_t product = 1;
    for (const std::int64_t factor : shuffle_factors) product *= factor;
    return product;
  }
};

/// The network of these dimensions: modules, parameters and facts.
Network network_of(const Dimensions& dimensions);

/// How the named variant of these dimensions groups its blocks, where there is one with as many;
/// empty otherwise.
std::vector<std::int64_t> depths_of_variant(const Dimensions& dimensions);

/// As recognise() for a graph.
std::optional<Network> recognise_generation1(const Outline& outline, const NetworkInfo& hint);

}  // namespace aether2onnx::network
