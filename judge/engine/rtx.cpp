// Writes the command line of tensorrt_rtx, the program of NVIDIA's TensorRT for RTX.
// Source: NVIDIA's documentation of tensorrt_rtx 1.5 to 1.7. Runs of tensorrt_rtx 1.7.1 showed
// which models this program refuses.

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "judge/engine/engine.h"

namespace aether2onnx {

namespace {

using judge::engine::shown_path;

constexpr TensorRtVersion kOldest = {1, 5, 0};
constexpr TensorRtVersion kQuantizedFrom = {1, 7, 0};  // the first version with int8 feature maps

// Compute capabilities of GPUs, times 10: 89 is 8.9.
constexpr int kTuring = 75;
constexpr int kAmpere = 80;
constexpr int kAda = 89;
constexpr int kFirstOfHopper = 90;
constexpr int kFirstBehindHopper = 100;
constexpr std::array kDefault = {80, 86, 89, 120};

std::string capability_text(int capability) {
  return fmt::format("{}.{}", capability / 10, capability % 10);
}

// Throws if the model contains `type` (`has` is true) and a requested GPU is older than `first`,
// the first compute capability with this type.
void check_type(const EngineModel& model, const EngineOptions& options, bool has, int first,
                const char* type, const std::string& remedy) {
  if (!has || options.compute_capabilities.empty()) return;
  for (const int capability : judge::engine::tensorrt_rtx_capabilities(options)) {
    if (capability >= first) continue;
    fail({ErrorKind::unsupported, "engine-compute-capability", type,
          capability_text(first) + " or newer", capability_text(capability)},
         "{}: the model contains {}. GPUs of compute capability {} cannot compute in this type; {} "
         "and newer can.\n"
         "{}",
         shown_path(model), type, capability_text(capability), capability_text(first), remedy);
  }
}

void check(const EngineModel& model, const EngineOptions& options,
           std::vector<std::string>& notes) {
  judge::engine::check_numbers(options);
  judge::engine::check_profile(model);
  judge::engine::check_quantization(model);
  if (options.precision != EnginePrecision::as_model) {
    fail({ErrorKind::unsupported, "engine-precision", "precision", "as_model",
          std::string(to_string(options.precision))},
         "{} {}: TensorRT for RTX takes the precision only from the ONNX file.\n"
         "Convert the checkpoint with {} mixed_fp16, and omit {}.",
         option("precision"), to_string(options.precision), option("fp_mode"), option("precision"));
  }
  if (options.device && !options.compute_capabilities.empty()) {
    fail({ErrorKind::usage, "option-conflict", "device"},
         "{} builds for one GPU, but {} names several.\nOmit one of the two options.",
         option("device"), option("compute_capabilities"));
  }
  check_type(model, options, model.has_bfloat16, kAmpere, "bfloat16",
             fmt::format("Convert the checkpoint with {} mixed_fp16, or leave the GPU out of {}.",
                         option("fp_mode"), option("compute_capabilities")));
  check_type(model, options, model.has_float8, kAda, "float8",
             fmt::format("Leave the GPU out of {}.", option("compute_capabilities")));
  const std::vector<int>& wanted = options.compute_capabilities;
  if (wanted.size() > 1 && std::find(wanted.begin(), wanted.end(), kTuring) != wanted.end()) {
    notes.push_back(
        fmt::format("an engine has one list of kernels for all its GPUs; if one of the GPUs has "
                    "compute capability 7.5, the other GPUs also run more kernels (aether_small: "
                    "121 instead of 89); build a separate engine for 7.5, with {} 7.5",
                    option("compute_capabilities")));
  }
  if (!model.has_float16 && !model.has_bfloat16 && !model.is_quantized) {
    notes.push_back(
        fmt::format("the model is float32, so the engine will be float32, too; for half precision "
                    "convert with {} mixed_fp16",
                    option("fp_mode")));
  }
  if (model.is_quantized && options.version < kQuantizedFrom) {
    notes.emplace_back("int8 feature maps need TensorRT for RTX 1.7 or newer");
  }
  for (const std::string& file : model.external_files) {
    notes.push_back(
        fmt::format("the weights are in {}, which must be beside the model", printable(file)));
  }
}

}  // namespace

namespace judge::engine {

std::vector<int> tensorrt_rtx_capabilities(const EngineOptions& options) {
  if (!options.compute_capabilities.empty()) return options.compute_capabilities;
  return {kDefault.begin(), kDefault.end()};
}

}  // namespace judge::engine

TensorRtVersion newest_tensorrt_rtx() noexcept {
  return {1, TensorRtVersion::kNewest, TensorRtVersion::kNewest};
}

TensorRtVersion parse_tensorrt_rtx_version(std::string_view text) {
  std::vector<int> parts = judge::version_parts(text);
  parts.resize(std::min<std::size_t>(parts.size(), 3));  // the fourth number is a build number
  TensorRtVersion version = newest_tensorrt_rtx();
  if (!parts.empty()) version.major = parts[0];
  if (parts.size() > 1) version.minor = parts[1];
  if (parts.size() > 2) version.patch = parts[2];
  if (!parts.empty() && version >= kOldest && version.major == kOldest.major) return version;
  fail({ErrorKind::usage, "engine-version", "for", "1.5 or newer", std::string(text)},
       "{} is not a supported version of TensorRT for RTX. Write the version in the form 1.7 "
       "(major.minor). The oldest supported version is 1.5.",
       printable(text));
}

int parse_compute_capability(std::string_view text) {
  std::string digits(text);
  const std::size_t dot = digits.find('.');
  if (dot != std::string::npos) digits.erase(dot, 1);
  const bool well_formed = (dot == std::string::npos || dot + 2 == text.size()) &&
                           digits.size() >= 2 && digits.size() <= 3 &&
                           digits.find_first_not_of("0123456789") == std::string::npos;
  const int capability = well_formed ? std::stoi(digits) : 0;
  const bool is_hopper = capability >= kFirstOfHopper && capability < kFirstBehindHopper;
  if (capability >= kTuring && !is_hopper) return capability;
  fail({ErrorKind::usage, "option-range", "compute_capabilities", "7.5 or newer, not 9.x",
        std::string(text)},
       "{} {}: must be a compute capability from 7.5 on, for example 8.0, 8.6, 8.9 or 12.0. "
       "TensorRT for RTX does not run on 9.x (Hopper).",
       option("compute_capabilities"), printable(text));
}

EngineCommand tensorrt_rtx_command(const EngineModel& model, const EngineOptions& options) {
  using judge::engine::path_text;
  using judge::engine::profile_text;
  EngineCommand command;
  check(model, options, command.notes);
  command.engine = options.engine;
  if (command.engine.empty()) {
    const TensorRtVersion release = {options.version.major, options.version.minor,
                                     TensorRtVersion::kNewest};
    command.engine = model.path.parent_path() /
                     fmt::format("{}_rtx{}_{}.engine", model.path.stem().string(),
                                 to_string(release), judge::engine::shapes_name(model));
  }
  judge::engine::check_outputs(command.engine, options, judge::engine::files_read(model));

  const auto add = [&](const std::string& name, const std::string& value = {}) {
    command.arguments.push_back(value.empty() ? name : name + "=" + value);
  };
  add("--onnx", path_text(model.path));
  add("--saveEngine", path_text(command.engine));
  if (model.shape.is_dynamic()) {
    add("--minShapes", profile_text(model, &Axis::min));
    add("--optShapes", profile_text(model, &Axis::opt));
    add("--maxShapes", profile_text(model, &Axis::max));
  }
  if (options.workspace) add("--memPoolSize", fmt::format("workspace:{}", *options.workspace));
  if (!options.timing_cache.empty()) add("--timingCacheFile", path_text(options.timing_cache));
  if (options.builder_optimization_level) {
    add("--builderOptimizationLevel", fmt::format("{}", *options.builder_optimization_level));
  }
  if (options.device) {
    add("--useGpu");
    add("--device", fmt::format("{}", *options.device));
  }
  if (!options.compute_capabilities.empty()) {
    std::vector<std::int64_t> numbers(options.compute_capabilities.begin(),
                                      options.compute_capabilities.end());
    add("--computeCapabilities", join(numbers));
  }
  add("--skipInference");
  return command;
}

}  // namespace aether2onnx
