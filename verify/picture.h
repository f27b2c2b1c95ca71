/// @file
/// Converts picture files to tensors, and tensors to PNG files. The picture module, an optional
/// shared library (picture_module.h), decodes the picture files.
#pragma once

#include <filesystem>
#include <string>

#include "tensor.h"

namespace aether2onnx::verify {

/// Reads a PNG or JPEG file to a (1, 3, H, W) tensor of RGB values in [0, 1]. The first bytes show
/// the format. Grey becomes RGB; transparent pixels are put on black. Throws Error(io) if the file
/// is neither PNG nor JPEG, is damaged or is too large. Throws Error(unsupported) if the picture
/// module is missing or cannot be loaded.
FloatTensor load_picture(const std::filesystem::path& path);

/// Returns the brightness of a (1, 3, H, W) picture as (1, 1, H, W), as ITU-R BT.601 defines it.
FloatTensor to_grey(const FloatTensor& picture);

/// Encodes a (1, 3, H, W) or (1, 1, H, W) tensor as a PNG file with 8 bits per channel. Values are
/// clamped to [0, 1].
std::string encode_png(const FloatTensor& picture);

}  // namespace aether2onnx::verify
