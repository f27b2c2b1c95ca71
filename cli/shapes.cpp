#include "shapes.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "base/error.h"
#include "base/text.h"

namespace aether2onnx::cli {

namespace {

using Size = std::optional<std::int64_t>;

// The options for one axis of the input (batch size, height or width), and the part of --shape that
// is for this axis.
struct AxisWords {
  std::string name;
  ShapeRequest::Sizes given;
  Size fixed;  // the number in --shape, if any
  bool dynamic = false;
};

bool is_axis_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z' && c != 'x') || (c >= 'A' && c <= 'Z') || c == '_';
  });
}

std::vector<std::string> split_shape(const std::string& text) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == 'x') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

constexpr std::int64_t kLargestSize = 65536;

std::int64_t to_number(const std::string& text, const std::string& shape) {
  std::int64_t number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (result.ec != std::errc{} || number < 1 || number > kLargestSize) {
    const std::string expected = fmt::format("1 to {}", kLargestSize);
    fail({ErrorKind::usage, "option-shape", "shape", expected, text}, "--shape {}: {} must be {}.",
         shape, text, expected);
  }
  return number;
}

// Throws Error(usage) if a size that the user gave is less than 1 or more than kLargestSize.
// Default sizes are not checked here; dynamic_axis() adapts them to the given sizes.
void check_given(const AxisWords& axis) {
  for (const auto& [size, which] :
       {std::pair{axis.given.min, "min"}, {axis.given.opt, "opt"}, {axis.given.max, "max"}}) {
    if (!size || (*size >= 1 && *size <= kLargestSize)) continue;
    const std::string name = fmt::format("{}_{}", which, axis.name);
    const std::string expected = fmt::format("1 to {}", kLargestSize);
    fail({ErrorKind::usage, "option-range", name, expected, fmt::format("{}", *size)},
         "--{} {}: must be {}.", name, *size, expected);
  }
}

void check_order(const AxisWords& axis) {
  check_given(axis);
  const auto check = [&](const Size& low, const char* low_name, const Size& high,
                         const char* high_name) {
    if (!low || !high || *low <= *high) return;
    fail({ErrorKind::usage, "option-order", fmt::format("{}_{}", low_name, axis.name)},
         "--{0}_{4} {1} is larger than --{2}_{4} {3}.\nGive min <= opt <= max for each axis.",
         low_name, *low, high_name, *high, axis.name);
  };
  check(axis.given.min, "min", axis.given.max, "max");
  check(axis.given.min, "min", axis.given.opt, "opt");
  check(axis.given.opt, "opt", axis.given.max, "max");
}

void check_fixed(const AxisWords& axis, const std::string& shape) {
  for (const auto& [given, which] :
       {std::pair{axis.given.min, "min"}, {axis.given.opt, "opt"}, {axis.given.max, "max"}}) {
    if (!given || *given == *axis.fixed) continue;
    fail({ErrorKind::usage, "option-conflict", fmt::format("{}_{}", which, axis.name)},
         "--shape {} fixes the {} to {}, but --{}_{} {} was given.", shape, axis.name, *axis.fixed,
         which, axis.name, *given);
  }
}

// Returns the options for batch size, height and width, each with its part of --shape. If --shape
// contains a number of channels, sets `channels` to this number.
std::array<AxisWords, 3> read_axes(const ShapeRequest& request, Size& channels) {
  std::array<AxisWords, 3> axes;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    axes.at(i) = {kAxisNames.at(i), request.axes.at(i), {}, request.dynamic && !request.shape};
  }
  if (!request.shape) return axes;
  const std::string& shape = *request.shape;
  const std::vector<std::string> parts = split_shape(shape);
  const bool well_formed =
      parts.size() == 4 && std::all_of(parts.begin(), parts.end(), [](const std::string& part) {
        return only_digits(part) || is_axis_name(part);
      });
  if (!well_formed) {
    fail({ErrorKind::usage, "option-shape", "shape", "BxCxHxW", shape},
         "--shape {}: must be batch x channels x height x width, as in 1x3x720x1280 (fixed) or "
         "1x3xHxW (dynamic height and width).",
         printable(shape));
  }
  if (only_digits(parts[1])) {
    const std::int64_t number = to_number(parts[1], shape);
    if (channels && *channels != number) {
      fail({ErrorKind::usage, "option-conflict", "input_channels"},
           "--shape {} and --input_channels {} contradict each other.", shape, *channels);
    }
    channels = number;
  }
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::string& part = parts.at(i == 0 ? 0 : i + 1);
    axes.at(i).dynamic = !only_digits(part);
    if (axes.at(i).dynamic) continue;
    axes.at(i).fixed = to_number(part, shape);
    check_fixed(axes.at(i), shape);
  }
  return axes;
}

// Returns whether the user's --max_height or --max_width is more than four times the default of
// --opt_… (usual.opt). If so, the caller uses the largest size as the default of --opt_…, because a
// TensorRT engine is fastest at the size of --opt_…. Up to four times is normal: --opt_… is 64 by
// default, and --max_… is 256. The function returns false for the batch size, for a fixed axis, and
// if --opt_… was given.
bool is_far_below_max(const AxisWords& axis, const Axis& usual) {
  constexpr std::int64_t far = 4;
  const auto& [min, opt, max] = axis.given;
  const bool is_picture = axis.name != kAxisNames[0];
  return is_picture && axis.dynamic && !opt && max && *max > far * usual.opt;
}

// Returns the range of a dynamic axis. The sizes that the user gave are used unchanged. Missing
// sizes come from `usual`. If a size from `usual` does not fit the given sizes, the function uses a
// size that fits, and adds a line for the user to `notes`. If `opt_is_max` is true and --opt_… was
// not given, opt is the largest size (max).
Axis dynamic_axis(const AxisWords& axis, const Axis& usual, bool opt_is_max,
                  std::vector<std::string>& notes) {
  const auto& [min, opt, max] = axis.given;
  Axis result = usual;
  result.min =
      min.value_or(std::min({usual.min, opt.value_or(usual.min), max.value_or(usual.min)}));
  result.max =
      max.value_or(std::max({usual.max, opt.value_or(usual.max), min.value_or(usual.max)}));
  result.opt = opt.value_or(std::clamp(usual.opt, result.min, std::max(result.min, result.max)));
  if (opt_is_max && !opt && result.opt != result.max) {
    result.opt = result.max;
    notes.push_back(fmt::format(
        "the program set --opt_{0} to {1} (the largest {0}) instead of {2}, so that an engine is "
        "fastest at the largest {0}. If most pictures are smaller, give a smaller --opt_{0}",
        axis.name, result.opt, usual.opt));
  }
  const auto note = [&](const char* which, const Size& given, std::int64_t size,
                        std::int64_t before) {
    if (given || size == before) return;
    notes.push_back(
        fmt::format("--{0}_{1} is {2} instead of {3}, to fit the other {1} options that you gave",
                    which, axis.name, size, before));
  };
  note("min", min, result.min, usual.min);
  if (!opt_is_max) note("opt", opt, result.opt, usual.opt);
  note("max", max, result.max, usual.max);
  return result;
}

Axis axis_of(const AxisWords& axis, const Axis& usual, bool opt_is_max,
             std::vector<std::string>& notes) {
  check_order(axis);
  if (axis.dynamic) return dynamic_axis(axis, usual, opt_is_max, notes);
  if ((axis.given.min || axis.given.max) && !axis.fixed) {
    notes.push_back(fmt::format(
        "--min_{0} and --max_{0} have no effect on a fixed {0}; add --dynamic_shapes to use them",
        axis.name));
  }
  return Axis::fixed(axis.fixed.value_or(axis.given.opt.value_or(usual.opt)));
}

Axis profile_axis(const AxisWords& axis, const Axis& model, bool opt_is_max,
                  std::vector<std::string>& notes) {
  check_order(axis);
  if (model.dynamic) {
    if (!axis.fixed) return dynamic_axis(axis, model, opt_is_max, notes);
    return Axis::range(*axis.fixed, *axis.fixed, *axis.fixed);
  }
  for (const Size& size : {axis.given.min, axis.given.opt, axis.given.max, axis.fixed}) {
    if (!size || *size == model.opt) continue;
    fail({ErrorKind::usage, "option-model-size", axis.name, fmt::format("{}", model.opt),
          fmt::format("{}", *size)},
         "the model's {} is fixed to {}, so no engine of the model can take {}.\nConvert the "
         "checkpoint again, with --shape 1x3xHxW or with the size that you need.",
         axis.name, model.opt, *size);
  }
  return model;
}

}  // namespace

bool is_given(const ShapeRequest& request) {
  return request.shape ||
         std::any_of(request.axes.begin(), request.axes.end(),
                     [](const auto& axis) { return axis.min || axis.opt || axis.max; });
}

InputShape shape_of(const ShapeRequest& request, Expectations& expect,
                    std::vector<std::string>& notes) {
  const bool channels_given = expect.input_channels.has_value();
  const auto axes = read_axes(request, expect.input_channels);
  if (expect.input_channels && !channels_given) {
    expect.input_channels_given = fmt::format("{} {}", option("shape"), *request.shape);
  }
  if (request.dynamic && std::all_of(axes.begin(), axes.end(), [](const AxisWords& axis) {
        return axis.fixed.has_value();
      })) {
    fail({ErrorKind::usage, "option-conflict", "dynamic_shapes"},
         "--shape {} fixes every axis, but --dynamic_shapes was given.\nWrite letters for the "
         "dynamic axes, as in --shape 1x3xHxW.",
         *request.shape);
  }
  const InputShape usual = InputShape::dynamic_defaults();
  const bool opt_is_max =
      is_far_below_max(axes[1], usual.height) || is_far_below_max(axes[2], usual.width);
  return {axis_of(axes[0], usual.batch, false, notes),
          axis_of(axes[1], usual.height, opt_is_max, notes),
          axis_of(axes[2], usual.width, opt_is_max, notes)};
}

InputShape profile_of(const ShapeRequest& request, const InputShape& model, std::int64_t channels,
                      std::vector<std::string>& notes) {
  Size given_channels;
  auto axes = read_axes(request, given_channels);
  if (given_channels && *given_channels != channels) {
    fail({ErrorKind::usage, "option-model-size", "shape", fmt::format("{}", channels),
          fmt::format("{}", *given_channels)},
         "--shape {} has {} channels, but the model takes {}.", *request.shape, *given_channels,
         channels);
  }
  axes[1].dynamic = model.height.dynamic && !axes[1].fixed;
  axes[2].dynamic = model.width.dynamic && !axes[2].fixed;
  const bool opt_is_max =
      is_far_below_max(axes[1], model.height) || is_far_below_max(axes[2], model.width);
  return {profile_axis(axes[0], model.batch, false, notes),
          profile_axis(axes[1], model.height, opt_is_max, notes),
          profile_axis(axes[2], model.width, opt_is_max, notes)};
}

std::array<std::int64_t, 4> parse_fixed_shape(const std::string& text) {
  const std::vector<std::string> parts = split_shape(text);
  std::array<std::int64_t, 4> sizes{};
  bool well_formed = parts.size() == sizes.size();
  for (std::size_t i = 0; well_formed && i < sizes.size(); ++i) {
    well_formed = only_digits(parts[i]);
    if (well_formed) sizes.at(i) = to_number(parts[i], text);
  }
  if (!well_formed) {
    fail({ErrorKind::usage, "option-shape", "shape", "BxCxHxW", text},
         "--shape {}: must be batch x channels x height x width in numbers from 1 to {}, as in "
         "1x3x720x1280.",
         printable(text), kLargestSize);
  }
  return sizes;
}

}  // namespace aether2onnx::cli
