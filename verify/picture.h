/// @file
/// Reads pictures, by a module, and writes PNG files.
#pragma once

#include <filesystem>
#include <string>

#include "tensor.h"

namespace aether2onnx::verify {

/// The largest picture that is read, in pixels.
inline constexpr std::uint64_t kLargestPicture = 1U << 28U;

/// Reads a PNG or JPEG file to a (1, 3, H, W) tensor of RGB values in [0, 1]. The first bytes
/// decide which of the two the file is. Grey becomes RGB; alpha is composed on black. Throws
/// Error(io) if the file is neither, damaged or too large; Error(unsupported) if the module that
/// reads pictures is not installed.
FloatTensor load_picture(const std::filesystem::path& path);

/// The brightness of a (1, 3, H, W) picture as (1, 1, H, W), by ITU-R BT.601.
FloatTensor to_grey(const FloatTensor& picture);

/// Encodes a (1, 3, H, W) or (1, 1, H, W) tensor as a PNG file with 8 bits a channel. Values are
/// clamped to [0, 1].
std::string encode_png(const FloatTensor& picture);

/// Writes a PNG file. Throws Error(io).
void save_png(const FloatTensor& picture, const std::filesystem::path& path);

}  // namespace aether2onnx::verify
