/// @file
/// Turns the options for the input's shape, such as --shape and --max_height, into an InputShape.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <array>
#include <string>
#include <vector>

#include "requests.h"

namespace aether2onnx::cli {

/// The names of the input's axes. The option names end with these names, as in --min_height.
inline constexpr std::array<const char*, 3> kAxisNames = {"batch_size", "height", "width"};

/// Returns the input's shape for a conversion. Sizes that the user gave are used unchanged. If a
/// default size does not fit the given sizes, the function changes the default size, and adds a
/// line for the user to `notes`. A TensorRT engine is fastest at the sizes of --opt_height and
/// --opt_width. Therefore, if --max_height or --max_width is more than four times the default of
/// --opt_…, both defaults change: the largest height becomes the default of --opt_height, and the
/// largest width becomes the default of --opt_width. Sets expect.input_channels to the number of
/// channels in --shape. Throws Error(usage) if options are invalid or contradict each other.
InputShape shape_of(const ShapeRequest& request, Expectations& expect,
                    std::vector<std::string>& notes);

/// Returns the ranges of input sizes for an engine. Sizes that the user gave replace the sizes in
/// `model`. A number in the value of --shape fixes an axis. If a size in `model` does not fit the
/// given sizes, the function uses a size that fits, and adds a line for the user to `notes`. If
/// --max_height or --max_width is more than four times the size for --opt_… in `model`, the sizes
/// for --opt_height and --opt_width become the largest height and width, unless the user gave
/// --opt_…. Throws Error(usage) if options are invalid, or if the model does not accept a given
/// size. `channels` is the number of the model's input channels.
InputShape profile_of(const ShapeRequest& request, const InputShape& model, std::int64_t channels,
                      std::vector<std::string>& notes);

/// Returns whether the user gave --shape, --min_…, --opt_… or --max_….
bool is_given(const ShapeRequest& request);

/// Returns the four sizes in "1x3x720x1280". Throws Error(usage) unless all are from 1 to 65536.
std::array<std::int64_t, 4> parse_fixed_shape(const std::string& text);

}  // namespace aether2onnx::cli
