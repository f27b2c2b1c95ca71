// Writes the options of ONNX Runtime's TensorRT execution provider, and the Python code that calls
// inference() in vs-mlrt's vsmlrt.py. The provider and vsmlrt.py build the engine themselves, so
// their users do not need a command line of trtexec.
// Sources: ONNX Runtime's documentation of the execution provider; vs-mlrt's scripts/vsmlrt.py 3.22
// (the dataclass Backend.TRT, the functions inference and trtexec).

#include "base/error.h"
#include "base/text.h"
#include "judge/engine/engine.h"

namespace aether2onnx {

namespace {

using judge::engine::profile_text;
using judge::engine::shown_path;

// Returns `text` as a Python string literal.
std::string python_text(const std::string& text) {
  if (printable(text, text.size()) != text) {
    fail({ErrorKind::unsupported, "engine-path-characters", text},
         "{}: the name has characters that aether2onnx cannot write into Python code.\n"
         "Rename the file or folder.",
         printable(text, 4096));
  }
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + "\"";
}

// The keyword arguments of a Python call as text: "name=value, …".
struct Keywords {
  std::string text;

  void add(std::string_view name, const std::string& value) {
    text += fmt::format("{}{}={}", text.empty() ? "" : ", ", name, value);
  }
  void add(std::string_view name, const std::optional<std::int64_t>& value) {
    if (value) add(name, fmt::format("{}", *value));
  }
};

std::string folder_text(const std::filesystem::path& file) {
  const std::filesystem::path folder = file.parent_path();
  return folder.empty() ? "." : folder.string();
}

}  // namespace

ProviderOptions onnxruntime_options(const EngineModel& model, const EngineOptions& options) {
  ProviderOptions result;
  judge::engine::validate(model, options, result.notes);
  // ONNX Runtime's TensorRT provider builds weakly typed networks, hence the argument `false`. In
  // these networks, TensorRT computes in float16 or bfloat16 only if the flag for this type is set,
  // so `route` says which flags to set. TensorRT 11 and newer do not have these flags, and take all
  // types from the file.
  const auto route = judge::engine::precision_route(model, options, false, result.notes);
  const auto add = [&](const char* key, const std::string& value) {
    result.options.emplace_back(key, value);
  };
  const auto add_number = [&](const char* key, const std::optional<std::int64_t>& value) {
    if (value) add(key, fmt::format("{}", *value));
  };
  add_number("device_id", options.device);
  if (model.shape.is_dynamic()) {
    add("trt_profile_min_shapes", profile_text(model, &Axis::min));
    add("trt_profile_opt_shapes", profile_text(model, &Axis::opt));
    add("trt_profile_max_shapes", profile_text(model, &Axis::max));
  }
  if (route.fp16) add("trt_fp16_enable", "1");
  if (route.bf16) {
    add("trt_bf16_enable", "1");
    result.notes.emplace_back(
        "ONNX Runtime 1.22.0 and older do not have the option trt_bf16_enable");
  }
  if (route.int8) add("trt_int8_enable", "1");
  if (route.fp16 && model.has_decomposed_normalization) add("trt_layer_norm_fp32_fallback", "1");
  if (options.workspace) {
    constexpr std::int64_t mebibyte = 1 << 20;
    add("trt_max_workspace_size", fmt::format("{}", *options.workspace * mebibyte));
  }
  add_number("trt_builder_optimization_level", options.builder_optimization_level);
  add("trt_engine_cache_enable", "1");
  add("trt_engine_cache_path", folder_text(model.path));
  if (!options.timing_cache.empty()) {
    add("trt_timing_cache_enable", "1");
    add("trt_timing_cache_path", folder_text(options.timing_cache));
  }

  std::string entries;
  for (const auto& [key, value] : result.options) {
    entries += fmt::format("{}\"{}\": {}", entries.empty() ? "" : ", ", key, python_text(value));
  }
  result.python = fmt::format(
      R"(providers=[("TensorrtExecutionProvider", {{{}}}), "CUDAExecutionProvider"])", entries);
  return result;
}

namespace {

void check_for_vsmlrt(const EngineModel& model) {
  const auto refuse = [&](const std::string& what, const std::string& remedy) {
    fail({ErrorKind::unsupported, "engine-vsmlrt"}, "{}: vsmlrt cannot run the model: {}.\n{}",
         shown_path(model), what, remedy);
  };
  const std::string make_dynamic =
      fmt::format("Convert the checkpoint with {} 1x3xHxW for any size", option("shape"));
  if (!model.shape.is_dynamic()) {
    refuse(
        "the size is fixed, but vsmlrt always passes a shape to TensorRT; TensorRT refuses a shape "
        "for a model with a fixed size",
        make_dynamic + ".");
  }
  if (model.channels != 1 && model.channels != 3) {
    refuse(fmt::format("the input has {}, but VapourSynth's videos have 1 or 3 channels",
                       plural(static_cast<std::uint64_t>(model.channels), "channel")),
           fmt::format("Use {} trtexec or onnxruntime.", option("for")));
  }
  if (model.shape.batch.min > 1) {
    refuse(
        fmt::format("the model needs at least {} pictures at a time, but vsmlrt passes one picture",
                    model.shape.batch.min),
        fmt::format("{}, or give {} 1.", make_dynamic, option("min_batch_size")));
  }
  for (const std::string& type : {model.input_dtype, model.output_dtype}) {
    if (type == "float32" || type == "float16") continue;
    refuse(
        fmt::format(
            "the model's input or output has the type {}, but vsmlrt takes only float32 or float16",
            type),
        fmt::format("Convert the checkpoint with {} mixed_bf16 or mixed_fp16, which keep the "
                    "input and the output in float32.",
                    option("fp_mode")));
  }
}

std::string width_and_height(const InputShape& shape, std::int64_t Axis::*which) {
  const auto size = [which](const Axis& axis) { return axis.dynamic ? axis.*which : axis.opt; };
  return fmt::format("({}, {})", size(shape.width), size(shape.height));
}

}  // namespace

PlayerCall vsmlrt_call(const EngineModel& model, const EngineOptions& options) {
  PlayerCall result;
  judge::engine::validate(model, options, result.notes);
  check_for_vsmlrt(model);
  const auto route = judge::engine::precision_route(model, options, false, result.notes);

  Keywords backend;
  if (route.fp16) backend.add("fp16", "True");
  if (route.bf16) backend.add("bf16", "True");
  if (route.int8) backend.add("custom_args", "[\"--int8\"]");
  const std::string smallest = width_and_height(model.shape, &Axis::min);
  const std::string usual = width_and_height(model.shape, &Axis::opt);
  const std::string largest = width_and_height(model.shape, &Axis::max);
  if (smallest == largest) {
    backend.add("static_shape", "True");
    backend.add("opt_shapes", usual);
  } else {
    backend.add("static_shape", "False");
    backend.add("min_shapes", smallest);
    backend.add("opt_shapes", usual);
    backend.add("max_shapes", largest);
  }
  const bool weakly_typed = judge::number_of(options.version) < judge::kOnlyStrongTyping;
  if (model.output_dtype == "float16" && weakly_typed) backend.add("output_format", "1");
  backend.add("workspace", options.workspace);
  backend.add("builder_optimization_level", options.builder_optimization_level);
  backend.add("device_id", options.device);

  Keywords call;
  call.add("network_path", python_text(model.path.string()));
  if (model.input_name != "input") call.add("input_name", python_text(model.input_name));
  call.add("backend", fmt::format("vsmlrt.Backend.TRT({})", backend.text));
  result.python = fmt::format("vsmlrt.inference(clip, {})", call.text);
  result.notes.push_back(fmt::format("the clip must be {} in {}-bit floating point",
                                     model.channels == 1 ? "GRAY" : "RGB",
                                     model.input_dtype == "float16" ? 16 : 32));
  return result;
}

}  // namespace aether2onnx
