#pragma once

#include <algorithm>
#include <array>
#include <filesystem>

#include "words/nearest.h"

namespace aether2onnx::cli {

/// Endings of picture files, in lower case: `upscale` can read only kPictureEndings.
inline constexpr std::array kPictureEndings = {".png", ".jpg", ".jpeg"};
inline constexpr std::array kOtherPictures = {".webp", ".gif",  ".bmp", ".tif", ".tiff",
                                              ".avif", ".heic", ".jxl", ".jfif"};

template <typename Endings>
bool ends_in(const std::filesystem::path& path, const Endings& endings) {
  const std::string ending = lower_case(path.extension().string());
  return std::find(endings.begin(), endings.end(), ending) != endings.end();
}

}  // namespace aether2onnx::cli
