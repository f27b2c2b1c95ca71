// Handles what differs between the versions of TensorRT: options of trtexec, opsets and types.
// Sources: trtexec's source code (samples/common/sampleOptions.cpp) in the releases 8.4 to 11.1,
// and NVIDIA's documentation of the releases 11.2 to 11.5.

#include <algorithm>
#include <array>
#include <cstddef>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "judge/engine/engine.h"

namespace aether2onnx::judge::engine {

namespace {

constexpr Version k86 = version(8, 6);

struct TrtexecOption {
  std::string_view name;
  Range versions = all_versions();
};

constexpr std::array kOptions = {
    TrtexecOption{"--onnx"},
    TrtexecOption{"--saveEngine"},
    TrtexecOption{"--minShapes"},
    TrtexecOption{"--optShapes"},
    TrtexecOption{"--maxShapes"},
    TrtexecOption{"--fp16", before(kOnlyStrongTyping)},
    TrtexecOption{"--bf16", between(kBfloat16, kOnlyStrongTyping)},
    TrtexecOption{"--int8", before(kOnlyStrongTyping)},
    // The range ends before TensorRT 11, which accepts this option but ignores the option. In
    // TensorRT 11, every network is strongly typed.
    TrtexecOption{"--stronglyTyped", between(kStrongTyping, kOnlyStrongTyping)},
    TrtexecOption{"--memPoolSize"},
    TrtexecOption{"--timingCacheFile"},
    TrtexecOption{"--builderOptimizationLevel", since(k86)},
    TrtexecOption{"--device"},
    // Without one of these two options, trtexec also measures the engine's speed, and fails if the
    // measurement fails.
    TrtexecOption{"--buildOnly", before(k86)},
    TrtexecOption{"--skipInference", since(k86)},
};

// The options of trtexec 12 and newer versions are unknown, so validate() adds a note for these
// versions. The newest known release is 11.5.
constexpr Version kFirstUnknown = version(12);

void check_range(const char* name, const std::optional<std::int64_t>& value, std::int64_t low,
                 std::int64_t high) {
  if (!value || (*value >= low && *value <= high)) return;
  const std::string range = fmt::format("{} to {}", low, high);
  fail({ErrorKind::usage, "option-range", name, range, fmt::format("{}", *value)},
       "{} {}: must be {}.", option(name), *value, range);
}

void check_options(const EngineOptions& options) {
  check_numbers(options);
  if (options.builder_optimization_level &&
      !has_option(options.version, "--builderOptimizationLevel")) {
    fail({ErrorKind::usage, "engine-option-version", "builder_optimization_level",
          "TensorRT 8.6 or newer", to_string(options.version)},
         "{} {}: TensorRT {} does not have this option; TensorRT 8.6 and newer have it.",
         option("builder_optimization_level"), *options.builder_optimization_level,
         to_string(options.version));
  }
}

}  // namespace

void check_numbers(const EngineOptions& options) {
  check_range("workspace", options.workspace, 1, std::int64_t{1} << 24U);
  check_range("builder_optimization_level", options.builder_optimization_level, 0, 5);
  check_range("device", options.device, 0, 1023);
}

void check_profile(const EngineModel& model) {
  ConvertOptions options;
  options.shape = model.shape;
  aether2onnx::validate(options);
  if (!model.shape.is_dynamic() || model.profile_problem.empty()) return;
  fail({ErrorKind::usage, "engine-no-profile", model.input_name},
       "{}: the input is dynamic, but {}. TensorRT would build an engine for 1 x 1 pixels.\n"
       "Give the sizes, for example {} 32 {} 720 {} 1080, and the same three options for width and "
       "batch_size. For one fixed size, give {} 1x3x720x1280.",
       shown_path(model), model.profile_problem, option("min_height"), option("opt_height"),
       option("max_height"), option("shape"));
}

std::string quantization_problem(const onnx::Model& file, const Input& input) {
  std::unordered_map<std::string_view, const onnx::Tensor*> constants;
  for (const onnx::Tensor& tensor : file.initializers) constants.emplace(tensor.name, &tensor);
  for (const onnx::Node& node : file.nodes) {
    if (!onnx::is_onnx_domain(node.domain) || node.inputs.size() < 3 ||
        (node.op_type != "QuantizeLinear" && node.op_type != "DequantizeLinear")) {
      continue;
    }
    const auto zero = constants.find(node.inputs[2]);
    if (zero == constants.end() || !zero->second->external_file.empty()) continue;
    const std::string name = printable(node.name.empty() ? node.inputs[2] : node.name);
    if (!onnx::dtype_of(zero->second->data_type)) continue;
    const TensorData data = onnx::read_tensor(*zero->second, input, nullptr);
    const bool symmetric = std::all_of(data.bytes.begin(), data.bytes.end(),
                                       [](std::byte byte) { return byte == std::byte{}; });
    if (!symmetric) return fmt::format("the zero point of '{}' is not 0", name);
  }
  return "";
}

void check_quantization(const EngineModel& model) {
  if (model.quantization_problem.empty()) return;
  fail({ErrorKind::unsupported, "engine-quantization", model.quantization_problem},
       "{}: {}. TensorRT reads only symmetric quantization.\n"
       "Quantize again with int8 and zero points of 0.",
       shown_path(model), model.quantization_problem);
}

namespace {

void check_opset(const EngineModel& model, const TensorRtVersion& version,
                 std::vector<std::string>& notes) {
  const Version number = number_of(version);
  const int newest = newest_opset_of_tensorrt(number);
  const bool reads_norm = number >= operator_row("LayerNormalization").tensorrt;
  if (model.opset_version > newest) {
    std::string remedy =
        fmt::format("Convert the checkpoint with {} {} or lower, or use a newer TensorRT.",
                    option("opset_version"), newest == 17 && !reads_norm ? 16 : newest);
    if (model.has_bfloat16) {
      remedy = fmt::format(
          "bfloat16 needs opset 22. Convert the checkpoint with {} {}, or use TensorRT 10.6 or "
          "newer.",
          option("fp_mode"),
          number >= kBfloat16
              ? fmt::format("fp32, then build the engine with {} bf16", option("precision"))
              : "mixed_fp16");
    }
    fail({ErrorKind::unsupported, "engine-opset", "", fmt::format("at most {}", newest),
          fmt::format("{}", model.opset_version)},
         "{}: the model uses opset {}, but TensorRT {} reads opsets up to {}.\n{}",
         shown_path(model), model.opset_version, to_string(version), newest, remedy);
  }
  if (model.has_layer_normalization && !reads_norm) {
    fail({ErrorKind::unsupported, "engine-operator", "LayerNormalization", "TensorRT 8.6 or newer",
          to_string(version)},
         "{}: the model has the operator LayerNormalization. TensorRT {} does not read this "
         "operator; TensorRT 8.6 and newer do.\n"
         "Convert the checkpoint with {} 16 or lower, which writes simpler operators instead.",
         shown_path(model), to_string(version), option("opset_version"));
  }
  // The version "10" means any release of TensorRT 10. If release 10.0 does not read the model's
  // opset, tell the user.
  const int oldest = newest_opset_of_tensorrt(judge::version(version.major));
  if (version.minor == TensorRtVersion::kNewest && number >= judge::version(9) &&
      model.opset_version > oldest) {
    notes.push_back(fmt::format(
        "opset {} needs a newer release of TensorRT {}: release {}.0 reads only opsets up to {}",
        model.opset_version, version.major, version.major, oldest));
  }
}

// A trtexec flag for weakly typed networks. The flag allows TensorRT to compute in `type`.
struct Flag {
  const char* name = "";
  const char* type = "";
  bool PrecisionRoute::*set = nullptr;
  bool needed = false;
};

[[noreturn]] void no_flag(const EngineModel& model, const EngineOptions& options,
                          const Flag& flag) {
  const std::string version = to_string(options.version);
  if (options.precision == EnginePrecision::as_model) {
    fail({ErrorKind::unsupported, "engine-precision", flag.type, "TensorRT 9.0 or newer", version},
         "{}: the model contains {}. TensorRT {} cannot compute in this type; TensorRT 9.0 and "
         "newer can.\n"
         "Convert the checkpoint with {} fp16 or fp32 instead.",
         shown_path(model), flag.type, version, option("fp_mode"));
  }
  const std::string wish = fmt::format("{} {}", option("precision"), to_string(options.precision));
  if (number_of(options.version) >= kOnlyStrongTyping) {
    fail({ErrorKind::unsupported, "engine-precision", flag.type, "TensorRT 10 or older", version},
         "{0}: TensorRT {1} takes the precision only from the ONNX file, and {2} is float32.\n"
         "Convert the checkpoint with {3} mixed_{4}, or {4}, and omit {5}.",
         wish, version, shown_path(model), option("fp_mode"), to_string(options.precision),
         option("precision"));
  }
  fail({ErrorKind::unsupported, "engine-precision", flag.type, "TensorRT 9.0 or newer", version},
       "{}: TensorRT {} cannot compute in {}; TensorRT 9.0 and newer can.\n"
       "Use {} fp16, or a newer TensorRT.",
       wish, version, flag.type, option("precision"));
}

void check_wish(const EngineModel& model, EnginePrecision wish) {
  const bool contradicts = (wish == EnginePrecision::fp16 && model.has_bfloat16) ||
                           (wish == EnginePrecision::bf16 && model.has_float16);
  if (!contradicts) return;
  const char* type = model.has_bfloat16 ? "bfloat16" : "float16";
  fail({ErrorKind::usage, "engine-precision-contradicts", "precision", std::string(to_string(wish)),
        type},
       "{0} {1}: the model contains {2}, and the engine computes in the types of the ONNX file.\n"
       "Omit {0}, or convert the checkpoint with another {3}.",
       option("precision"), to_string(wish), type, option("fp_mode"));
}

std::string note_of_float32(const EngineOptions& options) {
  const std::string convert = fmt::format("convert with {} mixed_fp16", option("fp_mode"));
  return fmt::format(
      "the model is float32, so the engine will be float32, too; for half precision {}",
      has_option(options.version, "--fp16")
          ? fmt::format("add {} fp16, or {}", option("precision"), convert)
          : convert);
}

std::string note_of_weak_typing(const EngineModel& model, const EngineOptions& options,
                                bool may_be_strong) {
  const std::string_view precision = to_string(options.precision);
  if (options.precision != EnginePrecision::as_model && !model.has_float16 && !model.has_bfloat16) {
    return fmt::format(
        "up to TensorRT 10, TensorRT chooses the layers that compute in {0}; TensorRT 11 reads the "
        "type of each layer from the file, so for TensorRT 11 convert with {1} mixed_{0}",
        precision, option("fp_mode"));
  }
  const std::string hint =
      "the types in the file are only hints: TensorRT may also compute float32 layers in half "
      "precision";
  if (!may_be_strong) return "ONNX Runtime and vsmlrt build weakly typed networks, so " + hint;
  return fmt::format(
      "TensorRT {} has no strong typing, so {}; TensorRT 9.1 and newer keep the file's types",
      to_string(options.version), hint);
}

}  // namespace

std::string shown_path(const EngineModel& model) { return printable(model.path.string(), 4096); }

bool has_option(const TensorRtVersion& version, std::string_view name) {
  const auto found = std::find_if(kOptions.begin(), kOptions.end(),
                                  [&](const TrtexecOption& option) { return option.name == name; });
  require(found != kOptions.end(), "the table of trtexec's options lacks an option");
  return found->versions.contains(number_of(version));
}

PrecisionRoute precision_route(const EngineModel& model, const EngineOptions& options,
                               bool may_be_strong, std::vector<std::string>& notes) {
  check_wish(model, options.precision);
  const bool wants_fp16 = options.precision == EnginePrecision::fp16;
  const bool wants_bf16 = options.precision == EnginePrecision::bf16;
  const bool typed = model.has_float16 || model.has_bfloat16 || model.is_quantized;
  // True if the file does not contain the requested type. TensorRT then computes in this type only
  // with the flag --fp16 or --bf16, so the network must be weakly typed.
  const bool beyond_file =
      (wants_fp16 && !model.has_float16) || (wants_bf16 && !model.has_bfloat16);

  PrecisionRoute route;
  if (!beyond_file) {
    if (!typed) {
      notes.push_back(note_of_float32(options));
      return route;
    }
    if (number_of(options.version) >= kOnlyStrongTyping) return route;
    route.strongly_typed = may_be_strong && has_option(options.version, "--stronglyTyped");
    if (route.strongly_typed) return route;
  }
  const std::array flags = {
      Flag{"--fp16", "float16", &PrecisionRoute::fp16, wants_fp16 || model.has_float16},
      Flag{"--bf16", "bfloat16", &PrecisionRoute::bf16, wants_bf16 || model.has_bfloat16},
      Flag{"--int8", "int8", &PrecisionRoute::int8, model.is_quantized}};
  for (const Flag& flag : flags) {
    if (!flag.needed) continue;
    if (!has_option(options.version, flag.name)) no_flag(model, options, flag);
    route.*flag.set = true;
  }
  notes.push_back(note_of_weak_typing(model, options, may_be_strong));
  return route;
}

void validate(const EngineModel& model, const EngineOptions& options,
              std::vector<std::string>& notes) {
  check_options(options);
  check_profile(model);
  check_quantization(model);
  check_opset(model, options.version, notes);
  if (number_of(options.version) >= kFirstUnknown) {
    notes.push_back(fmt::format(
        "TensorRT {} is newer than every known release; the command is written for TensorRT 11",
        to_string(options.version)));
  }
  for (const std::string& file : model.external_files) {
    notes.push_back(
        fmt::format("the weights are in {}, which must be beside the model", printable(file)));
  }
}

}  // namespace aether2onnx::judge::engine
