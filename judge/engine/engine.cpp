// Converts TensorRT's versions from and to text, collects the facts about an ONNX file that are
// needed to build an engine (EngineModel), and writes trtexec's command line.

#include "judge/engine/engine.h"
#include "metadata.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/text.h"
#include "formats/file_kind.h"
#include "formats/zip/zip.h"
#include "graph/passes/passes.h"
#include "pipeline.h"
#include "port/files.h"

namespace aether2onnx {

// --- versions ---

std::string to_string(const TensorRtVersion& version) {
  std::string text = fmt::format("{}", version.major);
  if (version.minor == TensorRtVersion::kNewest) return text;
  text += fmt::format(".{}", version.minor);
  if (version.patch == TensorRtVersion::kNewest) return text;
  return text + fmt::format(".{}", version.patch);
}

TensorRtVersion parse_tensorrt_version(std::string_view text) {
  constexpr TensorRtVersion oldest = {8, 4, 0};
  std::vector<int> parts = judge::version_parts(text);
  constexpr std::size_t most = 3;
  if (parts.size() > most) parts.resize(most);  // the fourth number is a build number
  if (parts.empty() ||
      std::find(parts.begin(), parts.end(), TensorRtVersion::kNewest) != parts.end()) {
    fail(
        {ErrorKind::usage, "engine-version", "trt_version", "8.6, 10 or 10.3.0", std::string(text)},
        "{} is not a version of TensorRT. Write the version as 8.6, 10 or 10.3.0.",
        printable(text));
  }
  TensorRtVersion version;
  version.major = parts[0];
  if (parts.size() > 1) version.minor = parts[1];
  if (parts.size() > 2) version.patch = parts[2];
  if (version < oldest) {
    fail({ErrorKind::usage, "engine-version-too-old", "trt_version", "8.4 or newer",
          to_string(version)},
         "TensorRT {}: the oldest supported version is 8.4.", to_string(version));
  }
  return version;
}

std::optional<TensorRtVersion> tensorrt_version_in(std::string_view printed) {
  constexpr std::string_view before = "[TensorRT v";
  constexpr int first_of_ten = 10'000;
  constexpr int most = 1'000'000;
  for (std::size_t at = printed.find(before); at != std::string_view::npos;
       at = printed.find(before, at + 1)) {
    const std::string_view rest = printed.substr(at + before.size());
    int number = 0;
    const auto result = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    const bool closed = result.ptr != rest.data() + rest.size() && *result.ptr == ']';
    if (result.ec != std::errc{} || !closed || number < 1000 || number >= most) continue;
    const int hundreds = number / 100;
    if (number < first_of_ten) return TensorRtVersion{hundreds / 10, hundreds % 10, number % 100};
    return TensorRtVersion{hundreds / 100, hundreds % 100, number % 100};
  }
  return std::nullopt;
}

// --- models ---

namespace {

void check_external_data(const EngineModel& model, const io::Siblings& siblings) {
  for (const std::string& file : model.external_files) {
    if (!onnx::is_beside(file)) {
      fail({ErrorKind::unsupported, "engine-external-data", file, "a file beside the model"},
           "the weights are in '{}', outside the model's folder.\n"
           "aether2onnx reads weights only from the model's folder. Save the model again with the "
           "weights in this folder.",
           printable(file));
    }
    if (siblings.open(file) == nullptr) {
      fail({ErrorKind::io, "engine-external-data", file, "a file beside the model"},
           "{}: the weights are in {}, but this file is not beside the model.\n"
           "Put the file beside the model.",
           judge::engine::shown_path(model), printable(file));
    }
  }
}

}  // namespace

namespace judge::engine {

io::FilesRead files_read(const EngineModel& model) {
  io::FilesRead files;
  files.add(model.path);
  for (const std::string& file : model.external_files) {
    if (onnx::is_beside(file)) files.add(model.path.parent_path() / file);
  }
  return files;
}

void check_outputs(const std::filesystem::path& engine, const EngineOptions& options,
                   const io::FilesRead& read) {
  read.check(engine, "model.engine");
  const std::filesystem::path& cache = options.timing_cache;
  if (cache.empty()) return;
  read.check(cache, "timing.cache");
  if (io::identity_of(cache) == io::identity_of(engine)) {
    fail({ErrorKind::usage, "option-conflict", "timing_cache"},
         "{} {}: the timing cache and the engine are the same file.\nGive another name.",
         option("timing_cache"), printable(cache.string(), 4096));
  }
}

}  // namespace judge::engine

EngineModel read_engine_model(const std::filesystem::path& path, const Context& context) {
  const io::FileInput input(path, context.cancelled);
  const io::FolderSiblings siblings(path, context.cancelled);
  return pipeline::naming(printable(path.string(), 4096), [&] {
    if (formats::sniff(input) != formats::FileKind::onnx) {
      fail({ErrorKind::unsupported, "file-not-onnx", "", "an ONNX model", ""},
           "the file is no ONNX model.\nGive an ONNX file. A checkpoint must be converted first.");
    }
    const onnx::Model file = onnx::read(input, context);
    EngineModel model = judge::engine::describe(file);
    model.path = path;
    if (model.is_quantized) {
      model.quantization_problem = judge::engine::quantization_problem(file, input);
    }
    check_external_data(model, siblings);
    return model;
  });
}

EngineModel engine_model(const ConvertReport& report) {
  const GraphInfo& graph = report.graph;
  EngineModel model;
  model.path = report.output.path;
  model.input_name = graph.inputs.empty() ? "input" : graph.inputs.front().name;
  const DType type = graph::compute_type(graph.precision);
  model.has_bfloat16 = type == DType::bfloat16;
  model.has_float16 = type == DType::float16;
  if (!graph.inputs.empty()) model.input_dtype = graph.inputs.front().dtype;
  if (!graph.outputs.empty()) model.output_dtype = graph.outputs.front().dtype;
  model.channels = report.network.input_channels;
  model.shape = graph.shape;
  model.opset_version = graph.opset_version;
  const auto has = [&](std::string_view op) {
    return std::any_of(graph.operators.begin(), graph.operators.end(),
                       [&](const auto& entry) { return entry.first == op; });
  };
  model.has_layer_normalization = has("LayerNormalization");
  model.has_decomposed_normalization = has("ReduceMean") && has("Pow");
  if (!report.output.external_data_path.empty()) {
    model.external_files.push_back(report.output.external_data_path.filename().string());
  }
  return model;
}

// --- trtexec ---

namespace judge::engine {

std::string path_text(const std::filesystem::path& path) {
  const std::string text = path.string();
  return text.starts_with('~') ? "./" + text : text;
}

std::string shapes_name(const EngineModel& model) {
  const std::string smallest = metadata::shape_text(model.shape, model.channels, &Axis::min);
  const std::string largest = metadata::shape_text(model.shape, model.channels, &Axis::max);
  return smallest == largest ? smallest : smallest + "-" + largest;
}

}  // namespace judge::engine

std::string default_engine_name(const EngineModel& model, const EngineOptions& options) {
  const bool own = (options.precision == EnginePrecision::as_model) ||
                   (options.precision == EnginePrecision::fp16 && model.has_float16) ||
                   (options.precision == EnginePrecision::bf16 && model.has_bfloat16);
  const TensorRtVersion release = {options.version.major, options.version.minor,
                                   TensorRtVersion::kNewest};
  return fmt::format("{}{}_trt{}_{}.engine", model.path.stem().string(),
                     own ? "" : fmt::format("_{}", to_string(options.precision)),
                     to_string(release), judge::engine::shapes_name(model));
}

EngineCommand trtexec_command(const EngineModel& model, const EngineOptions& options) {
  using judge::engine::has_option;
  using judge::engine::path_text;
  using judge::engine::profile_text;
  EngineCommand command;
  judge::engine::validate(model, options, command.notes);
  const auto route = judge::engine::precision_route(model, options, true, command.notes);
  command.engine = options.engine;
  if (command.engine.empty()) {
    command.engine = model.path.parent_path() / default_engine_name(model, options);
  }

  judge::engine::check_outputs(command.engine, options, judge::engine::files_read(model));

  const auto add = [&](const std::string& name, const std::string& value = {}) {
    require(has_option(options.version, name),
            "this version of trtexec lacks the requested option");
    command.arguments.push_back(value.empty() ? name : name + "=" + value);
  };
  const auto add_number = [&](const std::string& name, const std::optional<std::int64_t>& value) {
    if (value) add(name, fmt::format("{}", *value));
  };
  add("--onnx", path_text(model.path));
  add("--saveEngine", path_text(command.engine));
  // Every version of trtexec refuses shape options for a model with fixed shapes. Without shape
  // options, trtexec builds a dynamic model for 1 x 1 pixels.
  if (model.shape.is_dynamic()) {
    add("--minShapes", profile_text(model, &Axis::min));
    add("--optShapes", profile_text(model, &Axis::opt));
    add("--maxShapes", profile_text(model, &Axis::max));
  }
  if (route.strongly_typed) add("--stronglyTyped");
  if (route.fp16) add("--fp16");
  if (route.bf16) add("--bf16");
  if (route.int8) add("--int8");
  // The argument has no unit, because the units differ between versions of trtexec. trtexec reads a
  // number without a unit as MiB.
  if (options.workspace) add("--memPoolSize", fmt::format("workspace:{}", *options.workspace));
  if (!options.timing_cache.empty()) add("--timingCacheFile", path_text(options.timing_cache));
  add_number("--builderOptimizationLevel", options.builder_optimization_level);
  add_number("--device", options.device);
  add(has_option(options.version, "--skipInference") ? "--skipInference" : "--buildOnly");
  return command;
}

}  // namespace aether2onnx
