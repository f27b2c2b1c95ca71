/// @file
/// From the options for the input's shape to the shape.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <array>
#include <string>
#include <vector>

#include "requests.h"

namespace aether2onnx::cli {

/// The axes as options call them.
inline constexpr std::array<const char*, 3> kAxisNames = {"batch_size", "height", "width"};

/// Returns the shape for a conversion. The user's bounds stay; the other bounds make room for them,
/// with one line each in `notes`. A usual size that is far below a given largest size becomes the
/// largest size. The channels in --shape go to `expect`. Throws Error(usage) if options contradict
/// each other.
InputShape shape_of(const ShapeRequest& request, Expectations& expect,
                    std::vector<std::string>& notes);

/// Returns the ranges of `model` with the user's changes. --shape fixes an axis to one size.
/// Throws Error(usage) if the model doesn't take the shape.
InputShape profile_of(const ShapeRequest& request, const InputShape& model, std::int64_t channels,
                      std::vector<std::string>& notes);

/// Whether any of the options was given.
bool is_given(const ShapeRequest& request);

/// Reads "1x3x720x1280": four sizes of 1 to 65536. Throws Error(usage), naming --shape.
std::array<std::int64_t, 4> parse_fixed_shape(const std::string& text);

}  // namespace aether2onnx::cli
