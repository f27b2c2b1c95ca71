/// @file
/// Pictures from and to files: PNG through libpng, JPEG through libjpeg-turbo.
#pragma once

#include <filesystem>
#include <string>

#include "tensor.h"

namespace aether2onnx::verify {

/// Pixels of the largest picture that is read.
inline constexpr std::uint64_t kLargestPicture = 1U << 28U;

/// A PNG or JPEG file, told apart by its first bytes, as a (1, 3, H, W) tensor of RGB values in
/// [0, 1]; grey becomes RGB, alpha is composed on black. Throws Error(io) where `path` is neither,
/// or damaged, or too large.
FloatTensor load_picture(const std::filesystem::path& path);

/// The brightness of a (1, 3, H, W) picture as (1, 1, H, W), by ITU-R BT.601.
FloatTensor to_grey(const FloatTensor& picture);

/// A (1, 3, H, W) or (1, 1, H, W) tensor as a PNG file's bytes, 8 bits a channel; values are
/// clamped to [0, 1].
std::string encode_png(const FloatTensor& picture);

/// Writes a PNG file. Throws Error(io).
void save_png(const FloatTensor& picture, const std::filesystem::path& path);

}  // namespace aether2onnx::verify
