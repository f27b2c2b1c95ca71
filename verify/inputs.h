/// @file
/// What the two implementations are compared on.
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "formats/onnx/onnx.h"
#include "tensor.h"

namespace aether2onnx::verify {

/// (N, C, H, W).
using Sizes = std::array<std::int64_t, 4>;

/// Uniform noise in [0, 1]; the same seed and shape give the same on every machine.
FloatTensor make_noise(const std::vector<std::int64_t>& shape, std::uint64_t seed);

/// Something like a picture in [0, 1]: gradients and edges.
FloatTensor make_picture(const std::vector<std::int64_t>& shape);

/// The shapes that a model is for: a static one's own; of a dynamic one the smallest, the usual and
/// the largest of its profile, and an odd one between that is no square. The profile is what the
/// converter wrote to the metadata, or else the converter's defaults.
/// Throws Error(unsupported) where the model isn't one input (N, C, H, W), C the network's.
std::vector<Sizes> shapes_of(const onnx::File& model, std::int64_t channels);

/// The PNG and JPEG files in a folder, by name. Throws Error(io) where there are none.
std::vector<std::filesystem::path> list_pictures(const std::filesystem::path& folder);

/// A picture from a file as an input of the model: grey for one channel, cut from its middle to
/// what the model takes at the most, mirrored at its edges up to what it takes at the least. Throws
/// Error(unsupported) where `channels` is neither 1 nor 3.
FloatTensor picture_for(const std::filesystem::path& file, const onnx::File& model,
                        std::int64_t channels);

}  // namespace aether2onnx::verify
