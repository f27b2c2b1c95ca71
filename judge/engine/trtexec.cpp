// The command line of trtexec.

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "judge/engine/engine.h"

namespace aether2onnx {

namespace {

// trtexec takes "~" at the start for the home folder, from some version on.
std::string path_text(const std::filesystem::path& path) {
  const std::string text = path.string();
  return text.starts_with('~') ? "./" + text : text;
}

class Arguments {
 public:
  explicit Arguments(const TensorRtVersion& version) : version_(version) {}

  // What has an own way around a version without it is asked by has_option() first.
  void add(const std::string& option, const std::string& value = {}) {
    require(tensorrt::has_option(version_, option), "an option that this trtexec doesn't have");
    result_.push_back(value.empty() ? option : option + "=" + value);
  }
  std::vector<std::string> take() { return std::move(result_); }

 private:
  TensorRtVersion version_;
  std::vector<std::string> result_;
};

}  // namespace

std::string default_engine_name(const EngineModel& model, const EngineOptions& options) {
  const bool own = (options.precision == EnginePrecision::as_model) ||
                   (options.precision == EnginePrecision::fp16 && model.has_float16) ||
                   (options.precision == EnginePrecision::bf16 && model.has_bfloat16);
  const TensorRtVersion release = {options.version.major, options.version.minor,
                                   TensorRtVersion::kNewest};
  const std::string smallest = tensorrt::shape_text(model.shape, model.channels, &Axis::min);
  const std::string largest = tensorrt::shape_text(model.shape, model.channels, &Axis::max);
  return fmt::format("{}{}_trt{}_{}.engine", model.path.stem().string(),
                     own ? "" : fmt::format("_{}", to_string(options.precision)),
                     to_string(release), smallest == largest ? smallest : smallest + "-" + largest);
}

EngineCommand trtexec_command(const EngineModel& model, const EngineOptions& options) {
  EngineCommand command;
  tensorrt::check(model, options, command.notes);
  const tensorrt::PrecisionRoute route = tensorrt::precision_route(model, options, true);
  command.notes.insert(command.notes.end(), route.notes.begin(), route.notes.end());
  command.engine = options.engine;
  if (command.engine.empty()) {
    command.engine = model.path.parent_path() / default_engine_name(model, options);
  }

  Arguments arguments(options.version);
  arguments.add("--onnx", path_text(model.path));
  arguments.add("--saveEngine", path_text(command.engine));
  // A static model with a shape is refused by every version; a dynamic one without gets 1 x 1.
  if (model.shape.is_dynamic()) {
    arguments.add("--minShapes", tensorrt::profile_text(model, &Axis::min));
    arguments.add("--optShapes", tensorrt::profile_text(model, &Axis::opt));
    arguments.add("--maxShapes", tensorrt::profile_text(model, &Axis::max));
  }
  if (route.strongly_typed) arguments.add("--stronglyTyped");
  if (route.fp16) arguments.add("--fp16");
  if (route.bf16) arguments.add("--bf16");
  if (route.int8) arguments.add("--int8");
  // A number without a unit is MiB in every version; with one it differs.
  if (options.workspace) {
    arguments.add("--memPoolSize", fmt::format("workspace:{}", *options.workspace));
  }
  if (!options.timing_cache.empty()) {
    arguments.add("--timingCacheFile", path_text(options.timing_cache));
  }
  if (options.builder_optimization_level) {
    arguments.add("--builderOptimizationLevel",
                  fmt::format("{}", *options.builder_optimization_level));
  }
  if (options.device) arguments.add("--device", fmt::format("{}", *options.device));
  arguments.add(tensorrt::has_option(options.version, "--skipInference") ? "--skipInference"
                                                                         : "--buildOnly");
  command.arguments = arguments.take();
  return command;
}

}  // namespace aether2onnx
