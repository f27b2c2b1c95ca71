/// @file
/// Makes the inputs on which the ONNX model and the reference are compared.
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "formats/onnx/onnx.h"
#include "tensor.h"

namespace aether2onnx::verify {

/// The sizes of the axes (N, C, H, W).
using Sizes = std::array<std::int64_t, 4>;

/// Returns uniform noise in [0, 1). The same seed and shape give the same noise on every machine.
FloatTensor make_noise(const std::vector<std::int64_t>& shape, std::uint64_t seed);

/// Returns an artificial picture of gradients and edges, with values in [0, 1].
FloatTensor make_picture(const std::vector<std::int64_t>& shape);

/// Returns the upper half of `upper` above the lower half of `lower`, which has the same shape.
FloatTensor halves_of(FloatTensor upper, const FloatTensor& lower);

/// Returns the only input shape of a quick comparison. For a dynamic model, the shape is small,
/// odd, not square and not the optimal shape, if the model's range of shapes allows this. Throws
/// the errors of shapes_of().
Sizes quick_shape_of(const onnx::Model& model, std::int64_t channels);

/// Returns the input shapes of a thorough comparison. A static model has one shape. A dynamic model
/// has the smallest, the optimal and the largest shape of its profile, and one shape between them
/// with odd, different sides. The profile (range of shapes) is in the model's metadata, or is the
/// converter's default. Throws Error(unsupported) unless the model has one input (N, C, H, W).
std::vector<Sizes> shapes_of(const onnx::Model& model, std::int64_t channels);

/// Returns the PNG and JPEG files in a folder, sorted by name. Throws Error(io) if there are none.
std::vector<std::filesystem::path> list_pictures(const std::filesystem::path& folder);

/// Returns the picture in a file as an input of the model. A network of one channel gets a grey
/// picture. A picture that is too large for the model is cut to its middle; a picture that is too
/// small is mirrored at its edges. Throws Error(unsupported) unless `channels` is 1 or 3.
FloatTensor picture_for(const std::filesystem::path& file, const onnx::Model& model,
                        std::int64_t channels);

}  // namespace aether2onnx::verify
