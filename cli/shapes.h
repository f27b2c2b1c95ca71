/// @file
/// Turns the options for the input's shape into an InputShape.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <array>
#include <string>
#include <vector>

#include "requests.h"

namespace aether2onnx::cli {

/// The names of the axes in the names of options, such as --min_height.
inline constexpr std::array<const char*, 3> kAxisNames = {"batch_size", "height", "width"};

/// Returns the shape for a conversion. Sizes that the user gave are kept. If a default size does
/// not fit them, the default size changes, and `notes` gets one line. If the default of --opt_… is
/// far below the given --max_…, the largest size replaces this default. The number of channels in
/// --shape goes to `expect`. Throws Error(usage) if options contradict each other.
InputShape shape_of(const ShapeRequest& request, Expectations& expect,
                    std::vector<std::string>& notes);

/// Returns the ranges for an engine: the ranges of `model`, with the sizes that the user gave. A
/// number in the value of --shape fixes an axis. Throws Error(usage) if the model does not accept a
/// size.
InputShape profile_of(const ShapeRequest& request, const InputShape& model, std::int64_t channels,
                      std::vector<std::string>& notes);

/// Returns whether --shape, --min_…, --opt_… or --max_… was given.
bool is_given(const ShapeRequest& request);

/// Reads "1x3x720x1280": four sizes from 1 to 65536. Throws Error(usage), which names --shape.
std::array<std::int64_t, 4> parse_fixed_shape(const std::string& text);

}  // namespace aether2onnx::cli
