#include "shape_arguments.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

namespace aether2onnx::cli {

namespace {

bool is_name(std::string_view text) {
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

std::int64_t to_number(const std::string& text, const std::string& option) {
  std::int64_t number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (result.ec != std::errc{}) usage_error(fmt::format("{}: {} is too large.", option, text));
  return number;
}

}  // namespace

ShapeArguments::ShapeArguments() {
  const InputShape defaults = InputShape::dynamic_defaults();
  axes_ = {AxisArguments{"batch_size", defaults.batch, {}, {}, {}, {}},
           AxisArguments{"height", defaults.height, {}, {}, {}, {}},
           AxisArguments{"width", defaults.width, {}, {}, {}, {}}};
}

namespace {
constexpr const char* kGroup = "Input shape";
}  // namespace

void ShapeArguments::add_to(CommandLine& line) {
  line.add_flag("--dynamic_shapes", dynamic_shapes_,
                "Batch size, height and width dynamic.\n"
                "Default: fixed to the --opt values")
      .group(kGroup);
  line.add_option("--shape", shape_,
                  "The same in short: digits are fixed, letters dynamic,\n"
                  "as in 1x3x720x1280, 1x3xHxW, Nx3xHxW")
      .group(kGroup)
      .type_name("BxCxHxW");
  add_sizes_to(line, false);
}

void ShapeArguments::add_profile_to(CommandLine& line) {
  line.add_option("--shape", shape_,
                  "Digits fix an axis of a dynamic model to one size,\n"
                  "letters leave its range, as in 1x3x720x1280")
      .group(kGroup)
      .type_name("BxCxHxW");
  add_sizes_to(line, true);
}

void ShapeArguments::add_sizes_to(CommandLine& line, bool of_model) {
  for (AxisArguments& axis : axes_) {
    const auto add = [&](const char* which, std::optional<std::int64_t>& value,
                         std::int64_t default_value, const char* text) {
      const std::string otherwise = of_model ? "the model's" : fmt::format("{}", default_value);
      line.add_option(fmt::format("--{}_{}", which, axis.name), value,
                      fmt::format("{}. Default: {}", text, otherwise))
          .group(kGroup)
          .type_name("N");
    };
    const bool batch = &axis == &axes_[0];
    add("min", axis.min, axis.defaults.min, batch ? "Smallest batch" : "Smallest, in pixels");
    if (of_model) {
      add("opt", axis.opt, axis.defaults.opt, batch ? "Usual batch" : "Usual");
    } else {
      add("opt", axis.opt, axis.defaults.opt,
          batch ? "Usual batch, and the fixed one" : "Usual, and the fixed one");
    }
    add("max", axis.max, axis.defaults.max, batch ? "Largest batch" : "Largest");
  }
}

// "1x3xHxW": numbers are fixed sizes, letters dynamic axes.
void ShapeArguments::apply_shape(const std::string& text,
                                 std::optional<std::int64_t>& input_channels) {
  const std::string option = "--shape " + text;
  const std::vector<std::string> parts = split_shape(text);
  const bool well_formed =
      parts.size() == 4 && std::all_of(parts.begin(), parts.end(), [](const std::string& part) {
        return is_number(part) || is_name(part);
      });
  if (!well_formed) {
    usage_error(fmt::format(
        "{}: must be batch x channels x height x width, as in 1x3x720x1280 (fixed) or 1x3xHxW "
        "(height and width dynamic).",
        option));
  }
  if (is_number(parts[1])) {
    const std::int64_t channels = to_number(parts[1], option);
    if (input_channels && *input_channels != channels) {
      usage_error(fmt::format("{} and --input_channels {} contradict each other.", option,
                              *input_channels));
    }
    input_channels = channels;
  }
  constexpr std::array<std::size_t, 3> part_of_axis = {0, 2, 3};
  for (std::size_t i = 0; i < axes_.size(); ++i) {
    const std::string& part = parts[part_of_axis.at(i)];
    AxisArguments& axis = axes_.at(i);
    if (!is_number(part)) {
      axis.dynamic_by_shape = true;
      continue;
    }
    axis.fixed_by_shape = to_number(part, option);
    for (const auto& [given, which] :
         {std::pair{axis.min, "min"}, {axis.opt, "opt"}, {axis.max, "max"}}) {
      if (given && *given != *axis.fixed_by_shape) {
        usage_error(fmt::format("{} fixes the {} to {}, but --{}_{} {} was given.", option,
                                axis.name, *axis.fixed_by_shape, which, axis.name, *given));
      }
    }
  }
}

void ShapeArguments::check_order(const AxisArguments& axis, const std::optional<std::int64_t>& low,
                                 const char* low_name, const std::optional<std::int64_t>& high,
                                 const char* high_name) {
  if (low && high && *low > *high) {
    usage_error(
        fmt::format("--{0}_{4} {1} is larger than --{2}_{4} {3}.\n"
                    "Give min <= opt <= max for each axis.",
                    low_name, *low, high_name, *high, axis.name));
  }
}

// Bounds that the user gave stay; the others give way, starting from the script's defaults.
Axis ShapeArguments::dynamic_axis(const AxisArguments& axis, std::vector<std::string>& notes) {
  Axis result = axis.defaults;
  result.min = axis.min.value_or(
      std::min({result.min, axis.opt.value_or(result.min), axis.max.value_or(result.min)}));
  result.max = axis.max.value_or(
      std::max({result.max, axis.opt.value_or(result.max), axis.min.value_or(result.max)}));
  result.opt =
      axis.opt.value_or(std::clamp(result.opt, result.min, std::max(result.min, result.max)));
  const auto note = [&](const char* which, bool given, std::int64_t value, std::int64_t usual) {
    if (given || value == usual) return;
    notes.push_back(fmt::format("--{0}_{1} is {2} instead of {3}, to fit what was given for {1}",
                                which, axis.name, value, usual));
  };
  note("min", axis.min.has_value(), result.min, axis.defaults.min);
  note("opt", axis.opt.has_value(), result.opt, axis.defaults.opt);
  note("max", axis.max.has_value(), result.max, axis.defaults.max);
  return result;
}

Axis ShapeArguments::resolve_axis(const AxisArguments& axis, bool dynamic,
                                  std::vector<std::string>& notes) {
  check_order(axis, axis.min, "min", axis.max, "max");
  check_order(axis, axis.min, "min", axis.opt, "opt");
  check_order(axis, axis.opt, "opt", axis.max, "max");
  if (dynamic) return dynamic_axis(axis, notes);
  if ((axis.min || axis.max) && !axis.fixed_by_shape) {
    notes.push_back(fmt::format(
        "--min_{0} and --max_{0} have no effect on a fixed {0}; add --dynamic_shapes to use them",
        axis.name));
  }
  return Axis::fixed(axis.fixed_by_shape.value_or(axis.opt.value_or(axis.defaults.opt)));
}

bool ShapeArguments::given() const {
  return shape_ || std::any_of(axes_.begin(), axes_.end(), [](const AxisArguments& axis) {
           return axis.min || axis.opt || axis.max;
         });
}

Axis ShapeArguments::profile_axis(const AxisArguments& axis, std::vector<std::string>& notes) {
  check_order(axis, axis.min, "min", axis.max, "max");
  check_order(axis, axis.min, "min", axis.opt, "opt");
  check_order(axis, axis.opt, "opt", axis.max, "max");
  const Axis& own = axis.defaults;
  if (own.dynamic) {
    if (!axis.fixed_by_shape) return dynamic_axis(axis, notes);
    return Axis::range(*axis.fixed_by_shape, *axis.fixed_by_shape, *axis.fixed_by_shape);
  }
  for (const auto& size : {axis.min, axis.opt, axis.max, axis.fixed_by_shape}) {
    if (size && *size != own.opt) {
      usage_error(
          fmt::format("the model's {} is fixed to {}, so its engine can't be for {}.\n"
                      "Convert the checkpoint with --shape 1x3xHxW, or with the size wanted.",
                      axis.name, own.opt, *size));
    }
  }
  return own;
}

InputShape ShapeArguments::resolve_profile(const InputShape& model, std::int64_t channels,
                                           std::vector<std::string>& notes) {
  std::optional<std::int64_t> given_channels;
  if (shape_) apply_shape(*shape_, given_channels);
  if (given_channels && *given_channels != channels) {
    usage_error(fmt::format("--shape {} has {} channels, but the model takes {}.", *shape_,
                            *given_channels, channels));
  }
  axes_[0].defaults = model.batch;
  axes_[1].defaults = model.height;
  axes_[2].defaults = model.width;
  return {profile_axis(axes_[0], notes), profile_axis(axes_[1], notes),
          profile_axis(axes_[2], notes)};
}

InputShape ShapeArguments::resolve(std::optional<std::int64_t>& input_channels,
                                   std::vector<std::string>& notes) {
  if (shape_) {
    apply_shape(*shape_, input_channels);
    const bool all_fixed = std::all_of(axes_.begin(), axes_.end(), [](const AxisArguments& axis) {
      return axis.fixed_by_shape.has_value();
    });
    if (all_fixed && dynamic_shapes_) {
      usage_error(
          fmt::format("--shape {} fixes every axis, but --dynamic_shapes was given.\nWrite letters "
                      "for the axes that are to be dynamic, as in --shape 1x3xHxW.",
                      *shape_));
    }
  }
  const auto is_dynamic = [&](const AxisArguments& axis) {
    return shape_ ? axis.dynamic_by_shape : dynamic_shapes_;
  };
  InputShape result;
  result.batch = resolve_axis(axes_[0], is_dynamic(axes_[0]), notes);
  result.height = resolve_axis(axes_[1], is_dynamic(axes_[1]), notes);
  result.width = resolve_axis(axes_[2], is_dynamic(axes_[2]), notes);
  return result;
}

std::array<std::int64_t, 4> parse_fixed_shape(const std::string& text, const std::string& option) {
  constexpr std::int64_t largest = 65536;
  const std::vector<std::string> parts = split_shape(text);
  std::array<std::int64_t, 4> sizes{};
  bool well_formed = parts.size() == sizes.size();
  for (std::size_t i = 0; well_formed && i < sizes.size(); ++i) {
    well_formed = is_number(parts[i]);
    if (well_formed) sizes.at(i) = to_number(parts[i], option);
    well_formed = well_formed && sizes.at(i) >= 1 && sizes.at(i) <= largest;
  }
  if (!well_formed) {
    usage_error(
        fmt::format("{} {}: must be batch x channels x height x width in numbers of 1 to {}, as in "
                    "1x3x720x1280.",
                    option, text, largest));
  }
  return sizes;
}

}  // namespace aether2onnx::cli
