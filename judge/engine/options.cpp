// What differs between the versions of TensorRT: options of trtexec, opsets, types.
// Sources: the sources of trtexec (samples/common/sampleOptions.cpp) of the releases 8.4 to 11.1,
// and the tables of operators in onnx-tensorrt's documentation of each release.

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "judge/engine/engine.h"

namespace aether2onnx::tensorrt {

namespace {

constexpr TensorRtVersion kAlways = {0, 0, 0};
constexpr TensorRtVersion kNever = {TensorRtVersion::kNewest, 0, 0};
constexpr TensorRtVersion k86 = {8, 6, 0};
constexpr TensorRtVersion k90 = {9, 0, 0};
constexpr TensorRtVersion k91 = {9, 1, 0};
constexpr TensorRtVersion k11 = {11, 0, 0};

constexpr std::array kOptions = {
    TrtexecOption{"--onnx", kAlways, kNever},
    TrtexecOption{"--saveEngine", kAlways, kNever},
    TrtexecOption{"--minShapes", kAlways, kNever},
    TrtexecOption{"--optShapes", kAlways, kNever},
    TrtexecOption{"--maxShapes", kAlways, kNever},
    TrtexecOption{"--fp16", kAlways, k11},
    TrtexecOption{"--bf16", k90, k11},
    TrtexecOption{"--int8", kAlways, k11},
    // TensorRT 11 takes it and does nothing else anyway.
    TrtexecOption{"--stronglyTyped", k91, k11},
    TrtexecOption{"--memPoolSize", kAlways, kNever},
    TrtexecOption{"--timingCacheFile", kAlways, kNever},
    TrtexecOption{"--builderOptimizationLevel", k86, kNever},
    TrtexecOption{"--device", kAlways, kNever},
    // Without it trtexec goes on to measure the engine, and fails where that fails.
    TrtexecOption{"--buildOnly", kAlways, k86},
    TrtexecOption{"--skipInference", k86, kNever},
};

struct Opsets {
  TensorRtVersion first;
  int newest = 0;
};

// The newest first. What isn't stated of a release is taken from the one before it.
constexpr std::array kOpsets = {
    Opsets{{11, 5, 0}, 25}, Opsets{{10, 15, 0}, 24}, Opsets{{10, 6, 0}, 22},
    Opsets{{10, 0, 0}, 20}, Opsets{k90, 19},         Opsets{kAlways, 17},
};

// The newest release whose options were looked at is 11.5.
constexpr TensorRtVersion kFirstUnknown = {12, 0, 0};

void check_range(const char* option, const std::optional<std::int64_t>& value, std::int64_t low,
                 std::int64_t high) {
  if (value && (*value < low || *value > high)) {
    fail(ErrorKind::usage, "{} {}: must be {} to {}.", option, *value, low, high);
  }
}

void check_options(const EngineOptions& options) {
  check_range("--workspace", options.workspace, 1, std::int64_t{1} << 24U);
  check_range("--builder_optimization_level", options.builder_optimization_level, 0, 5);
  check_range("--device", options.device, 0, 1023);
  if (options.builder_optimization_level &&
      !has_option(options.version, "--builderOptimizationLevel")) {
    fail(ErrorKind::usage,
         "--builder_optimization_level {}: TensorRT {} has no such option, 8.6 and newer have.",
         *options.builder_optimization_level, to_string(options.version));
  }
}

void check_profile(const EngineModel& model) {
  Options options;
  options.shape = model.shape;
  validate(options);
  if (!model.shape.is_dynamic() || model.profile_problem.empty()) return;
  fail(ErrorKind::usage,
       "{}: its input is dynamic, but {}; TensorRT would build an engine for 1 x 1 pixels.\n"
       "Give the sizes, as in --min_height 32 --opt_height 720 --max_height 1080 and the same for "
       "width and batch_size, or --shape 1x3x720x1280 for one size.",
       printable(model.path.string(), 4096), model.profile_problem);
}

void check_opset(const EngineModel& model, const TensorRtVersion& version,
                 std::vector<std::string>& notes) {
  const int newest = newest_opset(version);
  if (model.opset_version > newest && model.has_bfloat16) {
    fail(ErrorKind::unsupported,
         "{}: is of opset {}, which bfloat16 needs, but TensorRT {} reads opsets up to {}.\n{}",
         printable(model.path.string(), 4096), model.opset_version, to_string(version), newest,
         version.major >= 9 ? "Convert with --fp_mode fp32 and give --precision bf16, or use "
                              "TensorRT 10.6 or newer."
                            : "Convert with --fp_mode mixed_fp16, or use TensorRT 10.6 or newer.");
  }
  if (model.opset_version > newest) {
    fail(ErrorKind::unsupported,
         "{}: is of opset {}, but TensorRT {} reads opsets up to {}.\n"
         "Convert with --opset_version {} or lower, or use a newer TensorRT.",
         printable(model.path.string(), 4096), model.opset_version, to_string(version), newest,
         newest == 17 && version < k86 ? 16 : newest);
  }
  if (model.has_layer_normalization && version < k86) {
    fail(ErrorKind::unsupported,
         "{}: has the operator LayerNormalization, which TensorRT {} doesn't read; 8.6 does.\n"
         "Convert with --opset_version 16 or lower, where it is written in single steps.",
         printable(model.path.string(), 4096), to_string(version));
  }
  // Some release of this major version: not all of them may do.
  const TensorRtVersion oldest = {version.major, 0, 0};
  if (version.minor == TensorRtVersion::kNewest && version.major >= 9 &&
      model.opset_version > newest_opset(oldest)) {
    notes.push_back(
        fmt::format("opset {} needs a late release of TensorRT {}; {}.0 reads opsets up to {}",
                    model.opset_version, version.major, version.major, newest_opset(oldest)));
  }
}

}  // namespace

std::span<const TrtexecOption> trtexec_options() { return kOptions; }

bool has_option(const TensorRtVersion& version, std::string_view name) {
  const auto found = std::find_if(kOptions.begin(), kOptions.end(),
                                  [&](const TrtexecOption& option) { return option.name == name; });
  require(found != kOptions.end(), "an option of trtexec that isn't in the table");
  return version >= found->first && version < found->end;
}

int newest_opset(const TensorRtVersion& version) {
  const auto found = std::find_if(kOpsets.begin(), kOpsets.end(),
                                  [&](const Opsets& opsets) { return version >= opsets.first; });
  return found->newest;
}

namespace {

// The flags of weak typing that `model` and `options` need, and the types' names.
struct Flag {
  const char* option = "";
  const char* type = "";
  bool PrecisionRoute::*set = nullptr;
  bool needed = false;
};

[[noreturn]] void no_flag(const EngineModel& model, const EngineOptions& options,
                          const Flag& flag) {
  const std::string name = printable(model.path.string(), 4096);
  const std::string version = to_string(options.version);
  const bool by_option = options.precision != EnginePrecision::as_model;
  if (!by_option) {
    fail(ErrorKind::unsupported,
         "{}: has {} in it, which TensorRT {} doesn't compute in; 9.0 and newer do.\n"
         "Convert with --fp_mode fp16 or fp32 instead.",
         name, flag.type, version);
  }
  if (options.version >= k11) {
    fail(ErrorKind::unsupported,
         "--precision {0}: TensorRT {1} takes the precision from the ONNX file alone, and {2} is "
         "float32.\n"
         "Convert with --fp_mode mixed_{0}, or {0}, and leave --precision out.",
         to_string(options.precision), version, name);
  }
  fail(ErrorKind::unsupported,
       "--precision {}: TensorRT {} doesn't compute in {}; 9.0 and newer do.\n"
       "Use --precision fp16, or a newer TensorRT.",
       to_string(options.precision), version, flag.type);
}

void check_wish(const EngineModel& model, EnginePrecision wish) {
  const bool contradicts = (wish == EnginePrecision::fp16 && model.has_bfloat16) ||
                           (wish == EnginePrecision::bf16 && model.has_float16);
  if (!contradicts) return;
  fail(ErrorKind::usage,
       "--precision {}: the model has {} in it, and an engine computes in the types of its file.\n"
       "Leave --precision out, or convert the checkpoint with another --fp_mode.",
       to_string(wish), model.has_bfloat16 ? "bfloat16" : "float16");
}

void note_float32(const EngineOptions& options, std::vector<std::string>& notes) {
  const bool by_flag = has_option(options.version, "--fp16");
  notes.push_back(
      fmt::format("the model is float32, and so will the engine be; for half precision {}",
                  by_flag ? "add --precision fp16, or convert with --fp_mode mixed_fp16"
                          : "convert with --fp_mode mixed_fp16"));
}

void note_weak_typing(const EngineModel& model, const EngineOptions& options, bool may_be_strong,
                      std::vector<std::string>& notes) {
  if (options.precision != EnginePrecision::as_model && !model.has_float16 && !model.has_bfloat16) {
    notes.push_back(fmt::format(
        "TensorRT picks the layers that compute in {}; --fp_mode mixed_{} instead says in the file "
        "which do, and TensorRT 11 takes nothing else",
        to_string(options.precision), to_string(options.precision)));
    return;
  }
  notes.push_back(fmt::format(
      "{}, so the types in the file are advice: float32 parts of the model may be computed in half "
      "precision, too{}",
      may_be_strong ? fmt::format("TensorRT {} has no strong typing", to_string(options.version))
                    : "the network is weakly typed here",
      may_be_strong ? "; TensorRT 9.1 and newer keep to the file" : ""));
}

}  // namespace

PrecisionRoute precision_route(const EngineModel& model, const EngineOptions& options,
                               bool may_be_strong) {
  check_wish(model, options.precision);
  const bool wants_fp16 = options.precision == EnginePrecision::fp16;
  const bool wants_bf16 = options.precision == EnginePrecision::bf16;
  const bool typed = model.has_float16 || model.has_bfloat16 || model.is_quantized;
  // A wish that the file doesn't state itself needs a flag, and a flag needs weak typing.
  const bool beyond_file =
      (wants_fp16 && !model.has_float16) || (wants_bf16 && !model.has_bfloat16);

  PrecisionRoute route;
  if (!beyond_file) {
    if (!typed) {
      note_float32(options, route.notes);
      return route;
    }
    if (options.version >= k11) return route;
    route.strongly_typed = may_be_strong && has_option(options.version, "--stronglyTyped");
    if (route.strongly_typed) return route;
  }
  const std::array flags = {
      Flag{"--fp16", "float16", &PrecisionRoute::fp16, wants_fp16 || model.has_float16},
      Flag{"--bf16", "bfloat16", &PrecisionRoute::bf16, wants_bf16 || model.has_bfloat16},
      Flag{"--int8", "int8", &PrecisionRoute::int8, model.is_quantized}};
  for (const Flag& flag : flags) {
    if (!flag.needed) continue;
    if (!has_option(options.version, flag.option)) no_flag(model, options, flag);
    route.*flag.set = true;
  }
  note_weak_typing(model, options, may_be_strong, route.notes);
  return route;
}

void check(const EngineModel& model, const EngineOptions& options,
           std::vector<std::string>& notes) {
  check_options(options);
  check_profile(model);
  check_opset(model, options.version, notes);
  if (options.version >= kFirstUnknown) {
    notes.push_back(
        fmt::format("TensorRT {} is newer than what is known here; the line is that for 11",
                    to_string(options.version)));
  }
  for (const std::string& file : model.external_files) {
    notes.push_back(
        fmt::format("weights are in {}, which must lie beside the model", printable(file)));
  }
}

}  // namespace aether2onnx::tensorrt
