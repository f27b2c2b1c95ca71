/// @file
/// Runs a description of a network, module by module and in float64, in the plainest way. Tests
/// compare the passes with it.
#pragma once

#include <cstdint>
#include <vector>

#include "network/network.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::test {

/// One image, (C, H, W).
struct Image {
  std::int64_t channels = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::vector<double> values;

  double at(std::int64_t c, std::int64_t y, std::int64_t x) const {
    return values[static_cast<std::size_t>((c * height + y) * width + x)];
  }
  double& at(std::int64_t c, std::int64_t y, std::int64_t x) {
    return values[static_cast<std::size_t>((c * height + y) * width + x)];
  }
};

Image make_image(std::int64_t channels, std::int64_t height, std::int64_t width);

/// The last module's value.
Image run_modules(const network::Network& network, const state_dict::StateDict& state_dict,
                  const Image& input);

/// The largest difference of two images; infinite if their sizes differ.
double largest_difference(const Image& a, const Image& b);

}  // namespace aether2onnx::test
