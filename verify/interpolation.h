/// @file
/// Enlarges a picture by interpolation, without a network.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "picture_module.h"

namespace aether2onnx::verify {

/// Enlarges a picture by a whole factor with bicubic interpolation. The kernel is the kernel of
/// Catmull and Rom (the parameter a is -0.5), as in Pillow's BICUBIC. Pixels outside of the picture
/// have the value of the nearest pixel inside.
class Bicubic {
 public:
  /// `picture` must outlive the object. `factor` is at least 1.
  Bicubic(const Raster& picture, std::size_t factor);

  /// Returns the sample at (x, y) of the enlarged picture, between 0 and Raster::largest().
  unsigned at(std::size_t x, std::size_t y, int channel) const;

 private:
  // A pixel of the enlarged picture is a weighted sum of source pixels, four on each axis. This
  // struct says which four source pixels on one axis to use, and with which weights.
  struct Taps {
    std::int64_t first = 0;  // (x or y) / factor + first is the first of the four source pixels
    std::array<float, 4> weights{};
  };

  const Raster& picture_;
  std::size_t factor_;
  std::vector<Taps> taps_;  // index: x or y in the enlarged picture, modulo the factor
};

}  // namespace aether2onnx::verify
