/// @file
/// Enlarges a picture by interpolation, without a network.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "picture_module.h"

namespace aether2onnx::verify {

/// Bicubic interpolation by a whole factor, with the kernel of Catmull and Rom (a = -0.5), as in
/// Pillow's BICUBIC. Pixels outside of the picture have the value of the nearest pixel inside.
class Bicubic {
 public:
  /// `picture` must outlive the object. `factor` is at least 1.
  Bicubic(const Raster& picture, std::size_t factor);

  /// Returns the sample at (x, y) of the enlarged picture, between 0 and Raster::largest().
  unsigned at(std::size_t x, std::size_t y, int channel) const;

 private:
  // The four source pixels on one axis for a pixel of the enlarged picture, and their weights.
  struct Taps {
    std::int64_t first = 0;  // relative to the enlarged pixel's position / factor
    std::array<float, 4> weights{};
  };

  const Raster& picture_;
  std::size_t factor_;
  std::vector<Taps> taps_;  // index: the enlarged position modulo the factor
};

}  // namespace aether2onnx::verify
