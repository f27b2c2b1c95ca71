/// @file
/// Pictures from and to PNG files, through libpng.
#pragma once

#include <filesystem>

#include "onnxruntime.h"

namespace aether2onnx::verify {

/// A picture as a (1, 3, H, W) tensor of RGB values in [0, 1]; grey becomes RGB, alpha is composed
/// on black. Throws Error(io) where `path` is no PNG.
FloatTensor load_png(const std::filesystem::path& path);

/// The brightness of a (1, 3, H, W) picture as (1, 1, H, W), by ITU-R BT.601.
FloatTensor to_grey(const FloatTensor& picture);

/// Writes a (1, 3, H, W) or (1, 1, H, W) tensor with 8 bits a channel; values are clamped to [0,
/// 1].
void save_png(const FloatTensor& picture, const std::filesystem::path& path);

}  // namespace aether2onnx::verify
