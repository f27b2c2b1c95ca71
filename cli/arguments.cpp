#include "arguments.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <optional>
#include <string_view>

namespace aether2onnx::cli {

namespace {

[[noreturn]] void usage_error(const std::string& message) {
  throw Error(ErrorKind::usage, message);
}

// --- option names -----------------------------------------------------------------------------

bool is_long_option(const std::string& argument) {
  return argument.size() > 2 && argument.starts_with("--");
}

// Number of edits that turn one name into the other, for "did you mean".
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({substituted, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

std::vector<std::string> long_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

// The option that was meant by `name`: dashes count as underscores, and as in Python's argparse the
// start of a name stands for it where no other begins so.
std::string resolve_name(std::string name, const std::vector<std::string>& known) {
  std::replace(name.begin() + 2, name.end(), '-', '_');
  if (std::find(known.begin(), known.end(), name) != known.end()) return name;
  std::vector<std::string> candidates;
  std::copy_if(known.begin(), known.end(), std::back_inserter(candidates),
               [&](const std::string& option) { return option.starts_with(name); });
  if (candidates.size() == 1) return candidates[0];
  if (candidates.size() > 1) {
    usage_error(fmt::format("{} is ambiguous: it may be {}.", name, fmt::join(candidates, ", ")));
  }
  const auto nearest =
      std::min_element(known.begin(), known.end(), [&](const auto& a, const auto& b) {
        return edit_distance(a, name) < edit_distance(b, name);
      });
  const bool close = edit_distance(*nearest, name) <= 3;
  usage_error(fmt::format("there is no option {}{}.\nRun aether2onnx --help for all of them.", name,
                          close ? fmt::format("; did you mean {}?", *nearest) : ""));
}

std::vector<std::string> resolve_names(const std::vector<std::string>& arguments,
                                       const std::vector<std::string>& known) {
  std::vector<std::string> resolved;
  bool options_ended = false;
  for (const std::string& argument : arguments) {
    options_ended = options_ended || argument == "--";
    if (options_ended || !is_long_option(argument)) {
      resolved.push_back(argument);
      continue;
    }
    const std::size_t equals = argument.find('=');
    std::string name = resolve_name(argument.substr(0, equals), known);
    if (equals != std::string::npos) name += argument.substr(equals);
    resolved.push_back(std::move(name));
  }
  return resolved;
}

// --- shapes -----------------------------------------------------------------------------------

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

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

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

// "1x3xHxW": numbers are fixed sizes, letters dynamic axes.
void apply_shape(const std::string& text, std::array<AxisArguments, 3>& axes, Options& options) {
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
    if (options.input_channels && *options.input_channels != channels) {
      usage_error(fmt::format("{} and --input_channels {} contradict each other.", option,
                              *options.input_channels));
    }
    options.input_channels = channels;
  }
  constexpr std::array<std::size_t, 3> part_of_axis = {0, 2, 3};
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::string& part = parts[part_of_axis.at(i)];
    AxisArguments& axis = axes.at(i);
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

void check_order(const AxisArguments& axis, const std::optional<std::int64_t>& low,
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
Axis dynamic_axis(const AxisArguments& axis, std::vector<std::string>& notes) {
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

Axis resolve_axis(const AxisArguments& axis, bool dynamic, std::vector<std::string>& notes) {
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

InputShape resolve_shape(std::array<AxisArguments, 3>& axes, bool dynamic_shapes,
                         const std::optional<std::string>& shape, Options& options,
                         std::vector<std::string>& notes) {
  if (shape) {
    apply_shape(*shape, axes, options);
    const bool all_fixed = std::all_of(axes.begin(), axes.end(), [](const AxisArguments& axis) {
      return axis.fixed_by_shape.has_value();
    });
    if (all_fixed && dynamic_shapes) {
      usage_error(
          fmt::format("--shape {} fixes every axis, but --dynamic_shapes was given.\nWrite letters "
                      "for the axes "
                      "that are to be dynamic, as in --shape 1x3xHxW.",
                      *shape));
    }
  }
  const auto is_dynamic = [&](const AxisArguments& axis) {
    return shape ? axis.dynamic_by_shape : dynamic_shapes;
  };
  InputShape result;
  result.batch = resolve_axis(axes[0], is_dynamic(axes[0]), notes);
  result.height = resolve_axis(axes[1], is_dynamic(axes[1]), notes);
  result.width = resolve_axis(axes[2], is_dynamic(axes[2]), notes);
  return result;
}

// --- the rest ---------------------------------------------------------------------------------

void check_device(const std::string& device) {
  const bool numbered =
      device.starts_with("cuda:") && is_number(std::string_view(device).substr(5));
  if (device != "cpu" && device != "cuda" && !numbered) {
    usage_error(fmt::format("--device {}: must be cpu, cuda or cuda:N.", device));
  }
}

Precision parse_precision(const std::string& text) {
  for (const Precision precision : {Precision::fp32, Precision::fp16}) {
    if (text == to_string(precision)) return precision;
  }
  usage_error(fmt::format("--fp_mode {}: must be fp32 or fp16.", text));
}

void check_tolerance(const char* name, double value) {
  if (!(value >= 0)) usage_error(fmt::format("--{} {}: must be 0 or more.", name, value));
}

constexpr std::size_t kHelpColumn = 34;

constexpr const char* kUsage =
    "Usage: aether2onnx MODEL.pth [MODEL.onnx] [options]\n"
    "       aether2onnx --input_model_path MODEL.pth --output_onnx_path MODEL.onnx [options]\n";

constexpr const char* kFooter = R"(
Examples:
  aether2onnx model.pth
      Static 1x3x64x64, fp32, opset 17, saved as {scale}x_model_fp32_op17.onnx
      beside model.pth. Variant, scale and channels are read from the file.
  aether2onnx model.pth model.onnx --dynamic_shapes --fp_mode fp16
      Any size from 32x32 to 256x256, half precision.
  aether2onnx model.pth --shape 1x3xHxW --max_height 1080 --max_width 1920
      One picture at a time, any size up to full HD.

Dashes may stand for underscores (--fp-mode), and an option's name may be cut
short while it stays unambiguous. Exit code: 0 done, 1 failed, 2 wrong usage.)";

class HelpFormatter final : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(kHelpColumn); }
  std::string make_usage(const CLI::App* /*app*/, std::string /*name*/) const override {
    return kUsage;
  }
};

}  // namespace

bool wants_json(const std::vector<std::string>& arguments) {
  return std::find(arguments.begin(), arguments.end(), "--json") != arguments.end();
}

std::optional<Answer> parse(const std::vector<std::string>& arguments, Arguments& result) {
  CLI::App app{"Converts an AetherNet checkpoint (PyTorch .pth) to ONNX, without PyTorch.\n",
               "aether2onnx"};
  app.footer(kFooter);
  app.formatter(std::make_shared<HelpFormatter>());
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.set_help_flag();

  const InputShape defaults = InputShape::dynamic_defaults();
  std::array<AxisArguments, 3> axes = {AxisArguments{"batch_size", defaults.batch, {}, {}, {}, {}},
                                       AxisArguments{"height", defaults.height, {}, {}, {}, {}},
                                       AxisArguments{"width", defaults.width, {}, {}, {}, {}}};
  std::vector<std::string> positional;
  std::string input;
  std::string output;
  std::string precision = "fp32";
  std::optional<std::string> shape;
  bool dynamic_shapes = false;
  bool help = false;
  bool version_wanted = false;

  const std::string files = "Files";
  app.add_option("files", positional, "MODEL.pth and, optionally, MODEL.onnx")
      ->group("")
      ->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  app.add_option("--input_model_path", input, "The checkpoint (.pth), fused or not")
      ->group(files)
      ->type_name("FILE");
  app.add_option("--output_onnx_path", output,
                 "Where to save the model. Missing folders are created.\n"
                 "Default: {scale}x_{name}_{precision}_op{N}.onnx beside the checkpoint")
      ->group(files)
      ->type_name("FILE");

  const std::string network = "Network (read from the checkpoint; give them to have them checked)";
  app.add_option("--model_type", result.options.model_type,
                 "aether_small, aether_medium or aether_large")
      ->group(network)
      ->type_name("NAME");
  app.add_option("--scale", result.options.scale, "Upscale factor: 1, 2, 3, 4 or 8")
      ->group(network)
      ->type_name("N");
  app.add_option("--input_channels", result.options.input_channels, "Channels of the input image")
      ->group(network)
      ->type_name("N");

  app.add_option("--params_key", result.options.params_key,
                 "Which state dict of the file to take, as in model/state_dict.\n"
                 "Default: the usual keys, an averaged copy (EMA) first")
      ->group(network)
      ->type_name("KEY");

  const std::string shapes = "Input shape";
  app.add_flag("--dynamic_shapes", dynamic_shapes,
               "Batch size, height and width dynamic.\n"
               "Default: fixed to the --opt values")
      ->group(shapes);
  app.add_option("--shape", shape,
                 "The same in short: digits are fixed, letters dynamic,\n"
                 "as in 1x3x720x1280, 1x3xHxW, Nx3xHxW")
      ->group(shapes)
      ->type_name("BxCxHxW");
  for (AxisArguments& axis : axes) {
    const auto add = [&](const char* which, std::optional<std::int64_t>& value,
                         std::int64_t default_value, const char* text) {
      app.add_option(fmt::format("--{}_{}", which, axis.name), value,
                     fmt::format("{}. Default: {}", text, default_value))
          ->group(shapes)
          ->type_name("N");
    };
    const bool batch = axis.defaults == defaults.batch;
    add("min", axis.min, axis.defaults.min, batch ? "Smallest batch" : "Smallest, in pixels");
    add("opt", axis.opt, axis.defaults.opt,
        batch ? "Usual batch, and the fixed one" : "Usual, and the fixed one");
    add("max", axis.max, axis.defaults.max, batch ? "Largest batch" : "Largest");
  }

  const std::string graph = "ONNX file";
  app.add_option("--opset_version", result.options.opset_version,
                 fmt::format("ONNX opset, {} to {}. Default: {}", kMinOpset, kMaxOpset,
                             result.options.opset_version))
      ->group(graph)
      ->type_name("N");
  app.add_option("--fp_mode", precision, "fp32 or fp16: weights, input and output. Default: fp32")
      ->group(graph)
      ->type_name("MODE");

  const std::string verification = "Verification";
  app.add_flag("--verify_onnx", result.verify,
               "Compare the model with PyTorch before it is saved;\n"
               "needs libtorch and ONNX Runtime")
      ->group(verification);
  CLI::Option* atol =
      app.add_option("--atol", result.atol, "Absolute tolerance. Default: 1e-3 (fp16: 1e-2)")
          ->group(verification)
          ->type_name("X");
  CLI::Option* rtol =
      app.add_option("--rtol", result.rtol, "Relative tolerance. Default: 1e-5 (fp16: 1e-2)")
          ->group(verification)
          ->type_name("X");
  app.add_option("--device", result.device,
                 "cpu, cuda or cuda:N. Conversion needs none;\n"
                 "verification runs on the CPU")
      ->group(verification)
      ->type_name("NAME");
  app.add_option("--onnxruntime_library", result.onnxruntime_library,
                 "libonnxruntime.so to verify with. Default: the environment\n"
                 "variable AETHER2ONNX_ONNXRUNTIME, beside the program, the\n"
                 "system's")
      ->group(verification)
      ->type_name("FILE");

  const std::string printing = "Output";
  app.add_flag("--verbose", result.verbose, "Add a table of the model")->group(printing);
  app.add_flag("--quiet", result.quiet, "Print errors only")->group(printing);
  app.add_flag("--json", result.json, "Print one JSON object on stdout, the log on stderr")
      ->group(printing);
  app.add_flag("-h,--help", help, "Print this help")->group(printing);
  app.add_flag("--version", version_wanted, "Print the version")->group(printing);

  std::vector<std::string> resolved = resolve_names(arguments, long_names(app));
  std::reverse(resolved.begin(), resolved.end());  // as CLI11 wants them
  try {
    app.parse(resolved);
  } catch (const CLI::ParseError& error) {
    usage_error(fmt::format("{}\nRun aether2onnx --help for all options.", error.what()));
  }
  if (help) return Answer{app.help() + "\n", 0};
  if (version_wanted) return Answer{fmt::format("aether2onnx {}\n", version()), 0};

  if (input.empty() && !positional.empty()) {
    input = positional.front();
    positional.erase(positional.begin());
  }
  if (output.empty() && !positional.empty()) {
    output = positional.front();
    positional.erase(positional.begin());
  }
  if (!positional.empty()) {
    usage_error(
        fmt::format("'{}' is one argument too many: one checkpoint and one ONNX file are expected.",
                    positional.front()));
  }
  if (input.empty()) {
    usage_error(
        "no checkpoint was given.\nUsage: aether2onnx MODEL.pth [MODEL.onnx] [options]; "
        "--help lists them.");
  }
  result.input = input;
  result.output = output;
  result.options.precision = parse_precision(precision);
  result.options.shape = resolve_shape(axes, dynamic_shapes, shape, result.options, result.notes);
  if (!result.device.empty()) check_device(result.device);
  result.atol_given = atol->count() > 0;
  result.rtol_given = rtol->count() > 0;
  check_tolerance("atol", result.atol);
  check_tolerance("rtol", result.rtol);
  validate(result.options);
  return std::nullopt;
}

}  // namespace aether2onnx::cli
