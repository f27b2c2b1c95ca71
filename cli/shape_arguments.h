/// @file
/// The options that describe the input's shape: --dynamic_shapes, --shape, --min_…, --opt_…,
/// --max_….
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "command_line.h"

namespace aether2onnx::cli {

class ShapeArguments {
 public:
  ShapeArguments();

  void add_to(CommandLine& line);

  /// Adds the options that set the range for an engine of a model that is there: all of the above
  /// but --dynamic_shapes.
  void add_profile_to(CommandLine& line);

  /// Whether any of the options was given.
  bool given() const;

  /// The ranges of `model` with what was given. --shape fixes an axis to one size.
  /// Throws Error(usage) where it isn't what the model takes.
  InputShape resolve_profile(const InputShape& model, std::int64_t channels,
                             std::vector<std::string>& notes);

  /// The shape that was asked for. Bounds that were not given make room for those that were, which
  /// is told in `notes`, one line each. Channels that --shape names go to `input_channels`.
  /// Throws Error(usage) where options contradict each other.
  InputShape resolve(std::optional<std::int64_t>& input_channels, std::vector<std::string>& notes);

 private:
  // What was said of one axis.
  struct AxisArguments {
    const char* name = "";
    Axis defaults;
    std::optional<std::int64_t> min;
    std::optional<std::int64_t> opt;
    std::optional<std::int64_t> max;
    std::optional<std::int64_t> fixed_by_shape;
    bool dynamic_by_shape = false;
  };

  void add_sizes_to(CommandLine& line, bool of_model);
  void apply_shape(const std::string& text, std::optional<std::int64_t>& input_channels);
  static void check_order(const AxisArguments& axis, const std::optional<std::int64_t>& low,
                          const char* low_name, const std::optional<std::int64_t>& high,
                          const char* high_name);
  static Axis dynamic_axis(const AxisArguments& axis, std::vector<std::string>& notes);
  static Axis profile_axis(const AxisArguments& axis, std::vector<std::string>& notes);
  static Axis resolve_axis(const AxisArguments& axis, bool dynamic,
                           std::vector<std::string>& notes);

  std::array<AxisArguments, 3> axes_;
  std::optional<std::string> shape_;
  bool dynamic_shapes_ = false;
};

/// "1x3x720x1280": four sizes of 1 to 65536. Throws Error(usage), naming `option`.
std::array<std::int64_t, 4> parse_fixed_shape(const std::string& text, const std::string& option);

}  // namespace aether2onnx::cli
