/// @file
/// A picture whose samples are spread over all values.
#pragma once

#include <cstddef>

#include "picture_module.h"

namespace aether2onnx::verify {

inline Raster raster_of(std::size_t width, std::size_t height, int channels, int bits = 8) {
  Raster picture;
  picture.width = width;
  picture.height = height;
  picture.channels = channels;
  picture.bits = bits;
  picture.allocate();
  for (std::size_t i = 0; i < picture.samples(); ++i) {
    picture.set_sample(i, static_cast<unsigned>(i * 2654435761U % (picture.largest() + 1)));
  }
  return picture;
}

}  // namespace aether2onnx::verify
