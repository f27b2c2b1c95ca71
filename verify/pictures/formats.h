/// @file
/// Declares the functions of the picture module that read and write PNG and JPEG.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "picture_module.h"

namespace aether2onnx::verify::pictures {

[[noreturn]] inline void failed(const std::string& why) { throw std::runtime_error(why); }

/// Throws unless the picture has between 1 and kLargestPicture pixels.
inline void check_size(std::uint64_t width, std::uint64_t height) {
  if (width == 0 || height == 0) failed("it has no pixels");
  if (width <= kLargestPicture / height) return;
  failed(std::to_string(width) + " x " + std::to_string(height) + " pixels are too many (at most " +
         std::to_string(kLargestPicture) + ")");
}

PictureHeader describe_png(std::string_view file);
Raster read_png(std::string_view file);
void write_png(const Raster& picture, const PictureSink& sink);

PictureHeader describe_jpeg(std::string_view file);
Raster read_jpeg(std::string_view file);
void write_jpeg(const Raster& picture, int quality, const PictureSink& sink);

}  // namespace aether2onnx::verify::pictures
