#pragma once

#include <algorithm>
#include <array>
#include <filesystem>

#include "words/nearest.h"

namespace aether2onnx::cli {

/// The endings of the picture files that `upscale` reads and writes, in lower case.
inline constexpr std::array kPictureEndings = {".png", ".jpg", ".jpeg"};
/// The endings of other picture files, in lower case. `upscale` recognises such a file only
/// to report that the format is not supported.
inline constexpr std::array kOtherPictures = {".webp", ".gif",  ".bmp", ".tif", ".tiff",
                                              ".avif", ".heic", ".jxl", ".jfif"};

template <typename Endings>
bool ends_in(const std::filesystem::path& path, const Endings& endings) {
  const std::string ending = lower_case(path.extension().string());
  return std::find(endings.begin(), endings.end(), ending) != endings.end();
}

}  // namespace aether2onnx::cli
