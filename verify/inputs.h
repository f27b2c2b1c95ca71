/// @file
/// Makes the inputs with which a comparison runs the ONNX model and the reference. The reference
/// computes the network from the checkpoint; see reference.h.
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

/// Returns a tensor whose upper half is from `upper` and whose lower half is from `lower`. Both
/// arguments must have the same shape. So one input can contain both a smooth picture and noise.
FloatTensor halves_of(FloatTensor upper, const FloatTensor& lower);

/// Returns the only input shape of a quick comparison. For a dynamic model, this shape is small and
/// unusual, because usual shapes can hide mistakes: height and width are odd and different, and the
/// shape is not the optimal shape. If the model accepts only few shapes, the returned shape may not
/// have all these properties. Throws the errors of shapes_of().
Sizes quick_shape_of(const onnx::Model& model, std::int64_t channels);

/// Returns the input shapes of a thorough comparison. A static model has one shape. For a dynamic
/// model, returns the smallest, the optimal and the largest shape. These three shapes are in the
/// model's metadata; the converter's defaults replace missing shapes. Also returns a shape between
/// the smallest and the largest shape, with odd and different height and width if possible. Throws
/// Error(unsupported) unless the model has one input (N, C, H, W). Throws Error(mismatch) if the
/// model requires a number of channels that is not `channels`.
std::vector<Sizes> shapes_of(const onnx::Model& model, std::int64_t channels);

/// Returns the PNG and JPEG files in a folder, sorted by name. Throws Error(io) if there are none.
std::vector<std::filesystem::path> list_pictures(const std::filesystem::path& folder);

/// Returns the picture in a file as an input of the model. A network with one channel gets a grey
/// picture. A picture that is too large for the model is cut to its middle. A picture that is too
/// small is mirrored at its right and lower edges. Throws Error(unsupported) unless `channels`, the
/// network's number of channels, is 1 or 3.
FloatTensor picture_for(const std::filesystem::path& file, const onnx::Model& model,
                        std::int64_t channels);

}  // namespace aether2onnx::verify
