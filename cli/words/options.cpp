#include "options.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

#include "../shapes.h"
#include "base/error.h"
#include "base/text.h"
#include "port/files.h"

namespace aether2onnx::cli {

namespace {

void take_limit(Limits& limits, const std::string& text) {
  const std::size_t equals = std::min(text.find('='), text.size());
  const std::string digits = equals == text.size() ? "" : text.substr(equals + 1);
  std::uint64_t number = 0;
  const char* end = digits.data() + digits.size();
  const auto result = std::from_chars(digits.data(), end, number);
  if (digits.empty() || result.ec != std::errc{} || result.ptr != end) {
    fail({ErrorKind::usage, "option-limit", "limit", "NAME=N", text},
         "--limit {}: must be NAME=N, as in pickle_values=10000000.", printable(text));
  }
  set_limit(limits, text.substr(0, equals), number);
}

bool is_numbered_cuda(const std::string& device) {
  constexpr std::string_view start = "cuda:";
  return device.starts_with(start) && device.size() <= start.size() + 4 &&
         is_number(std::string_view(device).substr(start.size()));
}

void check_tolerance(const char* name, const std::optional<double>& value) {
  if (!value || (*value >= 0 && std::isfinite(*value))) return;
  fail({ErrorKind::usage, "option-range", name, "0 or more", fmt::format("{}", *value)},
       "--{} {}: must be 0 or more.", name, *value);
}

void check_verification(const VerificationRequest& request) {
  const auto& [atol, rtol, device, provider, precision, seed, images, report, library] = request;
  check_tolerance("atol", atol);
  check_tolerance("rtol", rtol);
  if (device && *device != "cpu" && *device != "cuda" && !is_numbered_cuda(*device)) {
    fail({ErrorKind::usage, "option-choice", "device", "cpu, cuda or cuda:N", *device},
         "--device {}: must be cpu, cuda or cuda:N.", printable(*device));
  }
  if (provider) find_choice("--provider", *provider, {"cpu", "cuda", "tensorrt"});
  if (device == "cpu" && provider && *provider != "cpu") {
    fail({ErrorKind::usage, "option-conflict", "provider"},
         "--provider {} needs a GPU, but --device cpu was given.", *provider);
  }
  if (device && *device != "cpu" && provider == "cpu") {
    fail({ErrorKind::usage, "option-conflict", "provider"},
         "--provider cpu contradicts --device {}.", *device);
  }
  if (precision) find_choice("--reference_precision", *precision, {"fp32", "fp64"});
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

void take_next(std::vector<std::string>& files, std::filesystem::path& file) {
  if (!file.empty() || files.empty()) return;
  file = files.front();
  files.erase(files.begin());
}

void fail_without_checkpoint(const char* usage) {
  fail({ErrorKind::usage, "command-files", "", "1", "0"},
       "no checkpoint was given.\nUsage: {}; --help lists them.", usage);
}

namespace {

// "tensorrt, onnxruntime, …" in lines of the help's width.
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
           "Change a limit on what the file may cost, for a giant that\n"
           "you trust: pickle_values=10000000. May be given several\n"
           "times; a wrong name lists them all");
  line.then([&limits, changes] {
    for (const std::string& change : *changes) take_limit(limits, change);
  });
}

void add_read_options(CommandLine& line, ReadOptions& options, bool with_dequantize) {
  line.add("--params_key", &options.params_key, "KEY",
           "Which state dict of the file to take, as in model/state_dict.\n"
           "Default: the usual keys, an averaged copy (EMA) first");
  line.add("--generation", &options.generation, "NAME",
           "Of a file that may be of several: G6.0, G7d, …\n"
           "Default: by the evidence in the file (inspect shows it)");
  line.add("--res_scale", &options.res_scale, "X",
           "Factor of what each block adds. Default: as the file\n"
           "says, or else the presets' of its width");
  line.add("--norm_eps", &options.norm_eps, "X",
           "Epsilon of norms with stored statistics that aren't\n"
           "folded yet. Default: the generation's");
  line.add("--img_range", &options.img_range, "X",
           "Range of the network's values. Default: as the file\n"
           "says, or else 1");
  if (!with_dequantize) return;
  line.add_flag("--dequantize", options.dequantize,
                "Take the weights of a network in int8 as the float\n"
                "numbers that they stand for");
}

void add_network_options(CommandLine& line, Expectations& expect, ReadOptions& read) {
  line.group("Network (read from the checkpoint; give them to have them checked)");
  line.add("--model_type", &expect.model_type, "NAME",
           "aether_mobile, _tiny, _small, _medium, _large, _pro or\n_extreme");
  line.add("--scale", &expect.scale, "N", "Upscale factor: 1, 2, 3, 4 or 8");
  line.add("--input_channels", &expect.input_channels, "N", "Channels of the input image");
  add_read_options(line, read);
}

void add_verification_options(CommandLine& line, VerificationRequest& request) {
  line.group(kVerificationGroup);
  line.add("--atol", &request.atol, "X", "Absolute tolerance. Default: 1e-3 (fp16: 1e-2)");
  line.add("--rtol", &request.rtol, "X", "Relative tolerance. Default: 1e-5 (fp16: 1e-2)");
  line.add("--device", &request.device, "NAME",
           "cpu, cuda or cuda:N, to verify on; conversion needs none.\n"
           "Default: cuda where it can be used, else cpu");
  line.add("--provider", &request.provider, "NAME",
           "ONNX Runtime's execution provider: cpu, cuda or\n"
           "tensorrt. Default: that of the device");
  line.add("--reference_precision", &request.reference_precision, "MODE",
           "fp32 or fp64: what PyTorch computes in. Default: fp32");
  line.add("--seed", &request.seed, "N",
           fmt::format("Of the random input. Default: {}", kDefaultSeed));
  line.add("--verify_images", &request.images, "DIR",
           "Compare on the PNG and JPEG files in this folder, too");
  line.add("--report", &request.report, "FILE",
           "Write an HTML page with verdict, pictures and figures");
  line.add("--onnxruntime_library", &request.onnxruntime_library, "FILE",
           "libonnxruntime.so to verify with. Default: the environment\n"
           "variable AETHER2ONNX_ONNXRUNTIME, beside the program, the\n"
           "system's");
  line.then([&request] { check_verification(request); });
}

void add_shape_options(CommandLine& line, ShapeRequest& request, bool of_model) {
  line.group("Input shape");
  if (!of_model) {
    line.add_flag("--dynamic_shapes", request.dynamic,
                  "Batch size, height and width dynamic.\n"
                  "Default: fixed to the --opt values");
  }
  line.add("--shape", &request.shape, "BxCxHxW",
           of_model ? "Digits fix an axis of a dynamic model to one size,\n"
                      "letters leave its range, as in 1x3x720x1280"
                    : "The same in short: digits are fixed, letters dynamic,\n"
                      "as in 1x3x720x1280, 1x3xHxW, Nx3xHxW");
  const InputShape shape = InputShape::dynamic_defaults();
  const std::array<Axis, 3> defaults = {shape.batch, shape.height, shape.width};
  for (std::size_t i = 0; i < defaults.size(); ++i) {
    const auto add = [&](const char* which, std::optional<std::int64_t>& value, std::int64_t size,
                         const std::string& text) {
      line.add(
          fmt::format("--{}_{}", which, kAxisNames.at(i)), &value, "N",
          fmt::format("{}. Default: {}", text, of_model ? "the model's" : fmt::format("{}", size)));
    };
    const std::string what = i == 0 ? " batch" : "";
    ShapeRequest::Sizes& sizes = request.axes.at(i);
    add("min", sizes.min, defaults.at(i).min, i == 0 ? "Smallest batch" : "Smallest, in pixels");
    add("opt", sizes.opt, defaults.at(i).opt,
        "Usual" + what + (of_model ? "" : ", and the fixed one"));
    add("max", sizes.max, defaults.at(i).max, "Largest" + what);
  }
}

}  // namespace aether2onnx::cli
