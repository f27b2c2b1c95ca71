#include "interpolation.h"

#include <algorithm>
#include <cmath>

namespace aether2onnx::verify {

namespace {

// Returns the weight of a source pixel whose centre is `distance` pixels from the interpolated
// point. Source: the kernel with the parameter a = -0.5 in R. Keys, Cubic convolution interpolation
// for digital image processing (1981).
float cubic_weight(float distance) {
  const float d = std::abs(distance);
  if (d <= 1) return (1.5F * d - 2.5F) * d * d + 1;
  if (d < 2) return ((-0.5F * d + 2.5F) * d - 4) * d + 2;
  return 0;
}

std::size_t nearest_position(std::int64_t at, std::size_t size) {
  return static_cast<std::size_t>(
      std::clamp<std::int64_t>(at, 0, static_cast<std::int64_t>(size) - 1));
}

}  // namespace

Bicubic::Bicubic(const Raster& picture, std::size_t factor) : picture_(picture), factor_(factor) {
  for (std::size_t phase = 0; phase < factor; ++phase) {
    // On each axis, a pixel of the small picture becomes `factor` new pixels. `phase` counts these
    // new pixels from 0. `centre` is the distance, in small pixels, from the small pixel's centre
    // to the new pixel's centre.
    const float centre = (static_cast<float>(phase) + 0.5F) / static_cast<float>(factor) - 0.5F;
    const float below = std::floor(centre);
    Taps taps;
    taps.first = static_cast<std::int64_t>(below) - 1;
    for (std::size_t i = 0; i < 4; ++i) {
      taps.weights.at(i) = cubic_weight(below - 1 + static_cast<float>(i) - centre);
    }
    taps_.push_back(taps);
  }
}

unsigned Bicubic::at(std::size_t x, std::size_t y, int channel) const {
  const Taps& across = taps_[x % factor_];
  const Taps& down = taps_[y % factor_];
  const auto column = static_cast<std::int64_t>(x / factor_) + across.first;
  const auto row = static_cast<std::int64_t>(y / factor_) + down.first;
  float sum = 0;
  for (std::int64_t i = 0; i < 4; ++i) {
    const std::size_t from_y = nearest_position(row + i, picture_.height);
    float line = 0;
    for (std::int64_t j = 0; j < 4; ++j) {
      const std::size_t from_x = nearest_position(column + j, picture_.width);
      line += across.weights[static_cast<std::size_t>(j)] *
              static_cast<float>(picture_.sample(picture_.position(from_x, from_y, channel)));
    }
    sum += down.weights[static_cast<std::size_t>(i)] * line;
  }
  const auto largest = static_cast<float>(picture_.largest());
  return static_cast<unsigned>(std::lround(std::clamp(sum, 0.0F, largest)));
}

}  // namespace aether2onnx::verify
