#include "options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "../shapes.h"
#include "base/error.h"
#include "base/text.h"
#include "nearest.h"
#include "port/files.h"
#include "values.h"

namespace aether2onnx::cli {

namespace {

void take_limit(Limits& limits, const std::string& text) {
  const std::size_t equals = std::min(text.find('='), text.size());
  const std::string digits = equals == text.size() ? "" : text.substr(equals + 1);
  const auto number = parse_number<std::uint64_t>(digits);
  if (!number) {
    fail({ErrorKind::usage, "option-limit", "limit", "NAME=N", text},
         "--limit {}: must be NAME=N, as in pickle_values=10000000.", printable(text));
  }
  set_limit(limits, text.substr(0, equals), *number);
}

bool is_numbered_cuda(const std::string& device) {
  constexpr std::string_view start = "cuda:";
  return device.starts_with(start) && device.size() <= start.size() + 4 &&
         only_digits(std::string_view(device).substr(start.size()));
}

void check_tolerance(const char* name, const std::optional<double>& value) {
  if (!value || (*value >= 0 && std::isfinite(*value))) return;
  fail({ErrorKind::usage, "option-range", name, "0 or more", fmt::format("{}", *value)},
       "--{} {}: must be 0 or more.", name, *value);
}

// Returns the name that aether2onnx uses for a device: "cuda" for "gpu", "cuda:0" for "0". Other
// programs call a GPU "gpu" or "0".
std::string device_of(const std::string& given) {
  const std::string device = lower_case(given);
  if (device == "gpu") return "cuda";
  return only_digits(device) ? "cuda:" + device : device;
}

void check_verification(VerificationRequest& request) {
  if (request.device) take_device(*request.device);
  if (request.provider) {
    take_choice("--provider", *request.provider, {"cpu", "cuda", "tensorrt"});
  }
  if (request.reference) take_choice("--reference", *request.reference, {"pytorch", "builtin"});
  if (request.reference_precision) {
    take_choice("--reference_precision", *request.reference_precision, {"fp32", "fp64"});
  }
  const auto& [atol, rtol, device, provider, tf32, thorough, reference, precision, seed, images,
               report, library] = request;
  check_tolerance("atol", atol);
  check_tolerance("rtol", rtol);
  if (device == "cpu" && provider && *provider != "cpu") {
    fail({ErrorKind::usage, "option-conflict", "provider"},
         "--provider {} needs a GPU, but --device cpu was given.", *provider);
  }
  if (device && *device != "cpu" && provider == "cpu") {
    fail({ErrorKind::usage, "option-conflict", "provider"},
         "--provider cpu contradicts --device {}.", *device);
  }
  if (images && !io::is_folder(*images)) {
    fail({ErrorKind::usage, "option-folder", "verify_images", "a folder", *images},
         "--verify_images {}: there is no such folder.", shown(*images));
  }
  if (report && (report->empty() || io::is_folder(*report))) {
    fail({ErrorKind::usage, "option-file", "report", "a file", *report},
         "--report {}: must be a file name.", shown(*report));
  }
}

}  // namespace

void take_device(std::string& device) {
  device = device_of(device);
  if (device == "cpu" || device == "cuda" || is_numbered_cuda(device)) return;
  fail({ErrorKind::usage, "option-choice", "device", "cpu, cuda or cuda:N", device},
       "--device {}: must be cpu, cuda or cuda:N.", printable(device));
}

void add_file(CommandLine& line, std::filesystem::path& file, const char* expected) {
  line.then([&line, &file, expected] {
    if (line.positionals().size() != 1) {
      fail({ErrorKind::usage, "command-files", "", "1",
            fmt::format("{}", line.positionals().size())},
           "{}.\n{}", expected, line.usage());
    }
    file = line.positionals().front();
  });
}

void refuse_ending(const std::filesystem::path& file, const std::vector<std::string>& wrong,
                   const std::string& remedy) {
  const std::string ending = lower_case(file.extension().string());
  if (std::find(wrong.begin(), wrong.end(), ending) == wrong.end()) return;
  fail({ErrorKind::usage, "command-ending", file.string(), "", ending}, "{}: {}", shown(file),
       remedy);
}

void check_default_place(const std::filesystem::path& input, const char* example) {
  const std::string folder = io::absolute(input).parent_path().string();
  const bool is_stream = folder == "/dev" || folder == "/dev/fd" || folder.starts_with("/proc/");
  if (!is_stream) return;
  fail({ErrorKind::usage, "command-stream", input.string(), "the name of the output"},
       "{}: this file is a stream, so nothing can be saved in its folder.\nName the output: {}",
       shown(input), example);
}

void take_next(std::vector<std::string>& files, std::filesystem::path& file) {
  if (!file.empty() || files.empty()) return;
  file = files.front();
  files.erase(files.begin());
}

void fail_without_checkpoint(const char* usage) {
  fail({ErrorKind::usage, "command-files", "", "1", "0"}, "no checkpoint was given.\nUsage: {}",
       usage);
}

namespace {

// Returns the names of all programs that --for accepts ("tensorrt, onnxruntime, …"), broken into
// lines that fit the help.
std::string names_of_targets() {
  constexpr std::size_t width = 58;
  std::string text;
  std::size_t length = 0;
  for (const TargetInfo& info : targets()) {
    const std::string name = std::string(info.name) + (info.has_versions ? "[:VERSION]" : "");
    if (length > 0) text += ',';
    const bool fits = length > 0 && length + 2 + name.size() <= width;
    if (length > 0) text += fits ? ' ' : '\n';
    length = (fits ? length + 2 : 0) + name.size();
    text += name;
  }
  return text;
}

}  // namespace

void add_targets(CommandLine& line, std::vector<TargetVersion>& targets, const std::string& text) {
  const auto given = std::make_shared<std::vector<std::string>>();
  line.add("--for", given.get(), "TARGET", text + "\n" + names_of_targets());
  std::vector<std::string> names;
  for (const TargetInfo& info : aether2onnx::targets()) names.emplace_back(info.name);
  line.complete("--for", names);
  line.then([&targets, given] {
    for (const std::string& list : *given) {
      for (std::size_t begin = 0; begin <= list.size();) {
        const std::size_t end = std::min(list.find(',', begin), list.size());
        targets.push_back(parse_target(std::string_view(list).substr(begin, end - begin)));
        begin = end + 1;
      }
    }
  });
}

void add_limits(CommandLine& line, Limits& limits) {
  const auto changes = std::make_shared<std::vector<std::string>>();
  line.group("Limits");
  line.add("--limit", changes.get(), "NAME=N",
           "Raise or lower a limit on the cost of reading a file, for\n"
           "example --limit pickle_values=10000000. The option may be\n"
           "repeated. An unknown name prints the list of limits");
  line.then([&limits, changes] {
    for (const std::string& change : *changes) take_limit(limits, change);
  });
}

namespace {

// Returns the usual spelling of a generation (version of AetherNet's design): "G7d" for "g7D".
std::string generation_of(const std::string& given) {
  std::string name = lower_case(given);
  if (name.starts_with('g')) name[0] = 'G';
  return name;
}

// Returns the usual spelling of a --model_type: "aether_small" for "small" and "Aether-Small".
std::string model_type_of(const std::string& given) {
  std::string name = lower_case(given);
  std::replace(name.begin(), name.end(), '-', '_');
  if (is_one_of("mobile tiny small medium large pro extreme", name)) return "aether_" + name;
  return name.starts_with("aether_") ? name : given;
}

// Returns the upscale factor in `given`: 2 for "2", "x2" or "2x". Otherwise throws Error(usage).
std::int64_t scale_of(const std::string& given) {
  std::string digits = lower_case(given);
  if (digits.starts_with('x')) {
    digits.erase(0, 1);
  } else if (digits.ends_with('x')) {
    digits.pop_back();
  }
  const auto scale = parse_number<std::int64_t>(digits);
  if (!scale) {
    constexpr const char* expected = "a whole number (1, 2, 3, 4 or 8)";
    fail({ErrorKind::usage, "option-number", "scale", expected, given},
         "--scale {}: expected {}, for example --scale 2.", printable(given), expected);
  }
  return *scale;
}

}  // namespace

void add_read_options(CommandLine& line, ReadOptions& options, bool with_dequantize) {
  line.add("--params_key", &options.params_key, "KEY",
           "The state dict to take from the file, for example params or\n"
           "model/state_dict. Default: averaged weights (params_ema, ema,\n"
           "...) if the file has them, else params, net_g, state_dict, ...");
  line.add("--generation", &options.generation, "NAME",
           "The generation of AetherNet (G6.0, G7d, ...), for a file that\n"
           "fits several generations. Default: the program decides by the\n"
           "tensors' names and shapes, and by metadata in the file. The\n"
           "command inspect lists the reasons");
  line.then([&options] {
    if (options.generation) options.generation = generation_of(*options.generation);
  });
  line.add("--res_scale", &options.res_scale, "X",
           "The factor by which each block's output is multiplied. Default:\n"
           "the factor in the file, else 0.1, 0.2 or 1, which depends on\n"
           "the generation and the number of channels (embed_dim)");
  line.add("--norm_eps", &options.norm_eps, "X",
           "The epsilon of normalizations with stored statistics.\n"
           "Default: the epsilon in the file, else 1e-4 for G7c and G7d,\n"
           "1e-5 for other generations");
  line.add("--img_range", &options.img_range, "X",
           "The constant by which the network scales the picture's values.\n"
           "Default: the constant in the file, else 1");
  if (!with_dequantize) return;
  line.add_flag("--dequantize", options.dequantize,
                "Turn the int8 weights of a quantized network back into float\n"
                "numbers. Default: refuse the file");
}

void add_network_options(CommandLine& line, Expectations& expect, ReadOptions& read) {
  line.group("Network (read from the checkpoint)");
  line.add("--model_type", &expect.model_type, "NAME",
           "The expected variant: aether_mobile, aether_tiny, aether_small,\n"
           "aether_medium, aether_large, aether_pro or aether_extreme. The\n"
           "prefix aether_ may be left out. A checkpoint of another variant\n"
           "is an error");
  const auto scale = std::make_shared<std::optional<std::string>>();
  line.add("--scale", scale.get(), "N",
           "The expected upscale factor: 1, 2, 3, 4 or 8. A checkpoint with\n"
           "another factor is an error");
  line.then([&expect, scale] {
    if (expect.model_type) expect.model_type = model_type_of(*expect.model_type);
    if (*scale) expect.scale = scale_of(**scale);
  });
  line.add("--input_channels", &expect.input_channels, "N",
           "The expected channels of the input picture. A checkpoint with\n"
           "another number of channels is an error");
  add_read_options(line, read);
}

void add_verification_options(CommandLine& line, VerificationRequest& request) {
  line.group(kVerificationGroup);
  line.add("--atol", &request.atol, "X",
           "Absolute tolerance of the comparison. Default: 1e-3 (fp16:\n1e-2)");
  line.add("--rtol", &request.rtol, "X",
           "Relative tolerance of the comparison. Default: 1e-5 (fp16:\n1e-2)");
  line.add_flag("--thorough", request.thorough,
                "Compare a dynamic model at its smallest, usual and largest\n"
                "shape, and at a shape with odd sides between the smallest and\n"
                "the largest. Default: only at one small shape with odd sides\n"
                "(33 x 37)");
  line.add("--report", &request.report, "FILE",
           "Write an HTML page with the verdict, pictures and numbers");
  line.add("--verify_images", &request.images, "DIR",
           "Also compare on the PNG and JPEG files in this folder");
  line.add("--device", &request.device, "NAME",
           "The device to verify on: cpu, cuda or cuda:N. Default: cuda if\n"
           "it can be used, else cpu. The conversion itself needs no GPU");
  line.add("--provider", &request.provider, "NAME",
           "ONNX Runtime's execution provider: cpu, cuda or tensorrt.\n"
           "Default: cuda on a GPU, else cpu");
  line.add_flag("--tf32", request.tf32,
                "On a GPU: let the model and the reference use TF32, which\n"
                "rounds the factors of float32 products to 10 bits. Default:\n"
                "off");
  line.add("--reference", &request.reference, "NAME",
           "What computes the expected output: pytorch (libtorch and the\n"
           "module libaether2onnx_torch.so) or builtin (the program\n"
           "itself). Default: pytorch if the module is installed, else\n"
           "builtin");
  line.add("--reference_precision", &request.reference_precision, "MODE",
           "The type that the reference computes in: fp32 or fp64.\n"
           "Default: fp32 for pytorch, fp64 for builtin");
  line.add("--seed", &request.seed, "N",
           fmt::format("Seed of the random input. Default: {}", kDefaultSeed));
  line.add("--onnxruntime_library", &request.onnxruntime_library, "FILE",
           "The ONNX Runtime library (libonnxruntime.so). Default: the\n"
           "environment variable AETHER2ONNX_ONNXRUNTIME, then the folder\n"
           "of the program, then the system's folders");
  line.then([&request] { check_verification(request); });
}

void add_shape_options(CommandLine& line, ShapeRequest& request, bool of_model) {
  line.group("Input size");
  line.add("--shape", &request.shape, "BxCxHxW",
           of_model ? "Batch, channels, height and width, for a dynamic model.\n"
                      "A number fixes an axis, a letter keeps the range from the\n"
                      "model's metadata: 1x3x720x1280, 1x3xHx1280"
                    : "Batch, channels, height and width. Digits fix an axis,\n"
                      "letters make it dynamic: 1x3x720x1280, 1x3xHxW, Nx3xHxW.\n"
                      "Default: 1x3x64x64");
  if (!of_model) {
    line.add_flag("--dynamic_shapes", request.dynamic,
                  "Make batch, height and width dynamic. Default: all are fixed\n"
                  "to --opt_batch_size, --opt_height and --opt_width");
  }
  const InputShape shape = InputShape::dynamic_defaults();
  const std::array<Axis, 3> defaults = {shape.batch, shape.height, shape.width};
  for (const std::size_t i : {1U, 2U, 0U}) {
    const std::string what = i == 0 ? "batch" : i == 1 ? "height" : "width";
    const std::string unit = i == 0 ? "" : " in pixels";
    const auto add = [&](const char* which, std::optional<std::int64_t>& value, std::int64_t size,
                         const std::string& text) {
      line.add(
          fmt::format("--{}_{}", which, kAxisNames.at(i)), &value, "N",
          fmt::format("{}. Default: {}", text, of_model ? "the model's" : fmt::format("{}", size)));
    };
    ShapeRequest::Sizes& sizes = request.axes.at(i);
    add("min", sizes.min, defaults.at(i).min,
        fmt::format("Smallest {}{} of a dynamic model", what, unit));
    add("opt", sizes.opt, defaults.at(i).opt,
        of_model ? fmt::format("The {}{} that the engine is tuned for", what, unit)
                 : fmt::format("Usual {}{}: a fixed model has this size,\n"
                               "an engine is tuned for this size",
                               what, unit));
    add("max", sizes.max, defaults.at(i).max,
        fmt::format("Largest {}{} of a dynamic model", what, unit));
  }
}

}  // namespace aether2onnx::cli
