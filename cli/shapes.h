/// @file
/// Turns the options for the input's shape, such as --shape and --max_height, into an InputShape.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <array>
#include <string>
#include <vector>

#include "requests.h"

namespace aether2onnx::cli {

/// The names of the input's axes, as in names of options: --min_height.
inline constexpr std::array<const char*, 3> kAxisNames = {"batch_size", "height", "width"};

/// Returns the input's shape for a conversion. Sizes that the user gave are used unchanged. A
/// default size that does not fit the given sizes is changed, with a line in `notes`. A default of
/// --opt_… below a fourth of the given --max_… becomes --max_…. Sets expect.input_channels to the
/// channels in --shape. Throws Error(usage) if options contradict each other.
InputShape shape_of(const ShapeRequest& request, Expectations& expect,
                    std::vector<std::string>& notes);

/// Returns the ranges of input sizes for an engine: the ranges of `model`, except sizes that the
/// user gave. A number in the value of --shape fixes an axis. Throws Error(usage) if the model does
/// not accept a given size.
InputShape profile_of(const ShapeRequest& request, const InputShape& model, std::int64_t channels,
                      std::vector<std::string>& notes);

/// Returns whether the user gave --shape, --min_…, --opt_… or --max_….
bool is_given(const ShapeRequest& request);

/// Returns the four sizes in "1x3x720x1280". Throws Error(usage) unless all are from 1 to 65536.
std::array<std::int64_t, 4> parse_fixed_shape(const std::string& text);

}  // namespace aether2onnx::cli
