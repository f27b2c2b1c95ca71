/// @file
/// Pictures as tensors: reading files, by a module, and encoding PNG without one.
#pragma once

#include <filesystem>
#include <string>

#include "tensor.h"

namespace aether2onnx::verify {

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

}  // namespace aether2onnx::verify
