#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "results.h"

namespace aether2onnx::cli {

// --- the result of a conversion, as text and as JSON ------------------------------------------

namespace {

std::string tensor_text(const TensorInfo& tensor) {
  return fmt::format("{} [{}]", tensor.dtype, fmt::join(tensor.shape, ", "));
}

}  // namespace

std::string model_table(const ConvertReport& report) {
  struct Row {
    std::string what;
    std::string before;
    std::string after;
  };
  const auto& source = report.source;
  const auto& graph = report.graph;
  std::vector<Row> rows = {
      {"", "checkpoint", "ONNX"},
      {"file size", fmt::format("{}", source.bytes),
       fmt::format("{}", report.output.bytes + report.output.external_data_bytes)},
      {"tensors", fmt::format("{}", source.tensors), fmt::format("{}", graph.initializers)},
      {"parameters", fmt::format("{}", source.parameters), fmt::format("{}", graph.parameters)},
      {"type", source.dtype, graph.dtype},
  };
  for (const TensorInfo& tensor : graph.inputs)
    rows.push_back({tensor.name, "", tensor_text(tensor)});
  for (const TensorInfo& tensor : graph.outputs) {
    rows.push_back({tensor.name, "", tensor_text(tensor)});
  }
  rows.push_back({"nodes", "", fmt::format("{}", graph.nodes)});
  for (const auto& [op, count] : graph.operators) {
    rows.push_back({"  " + op, "", fmt::format("{}", count)});
  }
  std::size_t first = 0;
  std::size_t second = 0;
  for (const Row& row : rows) {
    first = std::max(first, row.what.size());
    second = std::max(second, row.before.size());
  }
  std::string table;
  for (const Row& row : rows) {
    table += fmt::format("  {:<{}}  {:<{}}  {}\n", row.what, first, row.before, second, row.after);
  }
  table.pop_back();
  return table;
}

void print_settings(Console& console, const ConvertRequest& request) {
  bool first = true;
  for (const auto& [name, value, why] : request.settings) {
    const std::string given = value == "true" ? "" : " " + value;  // print a flag without a value
    console.line(first ? "for" : "", fmt::format("--{}{}  ({})", name, given, why));
    first = false;
  }
}

void add_targets(Json& json, const ConvertRequest& request) {
  json["for"] = nullptr;
  if (request.targets.empty()) return;
  Json names = Json::array();
  for (const TargetVersion& target : request.targets) names.push_back(to_string(target));
  Json settings = Json::array();
  for (const auto& [name, value, why] : request.settings) {
    settings.push_back({{"option", name}, {"value", value}, {"why", why}});
  }
  Json notes = Json::array();
  for (const std::string& note : request.notes) notes.push_back(spelled(note));
  json["for"] = {{"targets", names}, {"set", settings}, {"notes", notes}};
}

std::string saved_text(const std::filesystem::path& path, const std::string& replaced) {
  return shown(path) + (replaced.empty() ? "" : ", replacing the file written at " + replaced);
}

namespace {

// Returns which of the options fp_mode, opset_version and shape have their default values. These
// options determine what the model can be used for. The output of --json contains the returned
// list. If the list contains fp_mode or shape, the log suggests another value for this option. With
// --for, the log suggests no values.
std::vector<std::string> defaults_used(const ConvertRequest& request) {
  const auto is_given = [&](auto is_asked) {
    return std::any_of(request.given.begin(), request.given.end(),
                       [&](const GivenOption& option) { return is_asked(option.name); });
  };
  std::vector<std::string> names;
  for (const char* name : {"fp_mode", "opset_version"}) {
    if (!is_given([&](const std::string& given) { return given == name; }))
      names.emplace_back(name);
  }
  const bool shape_given = is_given([](const std::string& given) {
    return given == "shape" || given == "dynamic_shapes" || given.starts_with("opt_") ||
           given.starts_with("min_") || given.starts_with("max_");
  });
  if (!shape_given) names.emplace_back("shape");
  // Removes from `names` the options that --for has set, because --for replaces their defaults.
  std::erase_if(names, [&](const std::string& name) {
    return std::any_of(request.settings.begin(), request.settings.end(),
                       [&](const auto& setting) { return setting.option == name; });
  });
  return names;
}

bool has_name(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string range_text(const InputShape& shape, std::int64_t channels) {
  const auto size = [&](std::int64_t Axis::*bound) {
    return fmt::format("{}x{}x{}x{}", shape.batch.*bound, channels, shape.height.*bound,
                       shape.width.*bound);
  };
  if (!shape.is_dynamic()) return "fixed " + size(&Axis::opt);
  return fmt::format("dynamic {} to {}, tuned for {}", size(&Axis::min), size(&Axis::max),
                     size(&Axis::opt));
}

}  // namespace

std::string model_text(const ConvertRequest& request, const ConvertReport& report) {
  std::string text = fmt::format("{}, {}, opset {}", to_string(report.graph.precision),
                                 range_text(report.graph.shape, report.network.input_channels),
                                 report.graph.opset_version);
  const std::vector<std::string> defaults = defaults_used(request);
  std::vector<std::string> ways;
  if (!request.targets.empty()) return text;
  if (has_name(defaults, "shape")) ways.emplace_back("--shape 1x3xHxW for any size");
  if (has_name(defaults, "fp_mode")) ways.emplace_back("--fp_mode fp16 for half precision");
  if (!ways.empty()) text += ". To change: " + join(ways, ", ");
  return text;
}

void print_conversion(Console& console, const ConvertRequest& request,
                      const Conversion& conversion) {
  const ConvertReport::Output& output = conversion.report.output;
  console.line("saved", saved_text(output.path, conversion.replaced));
  if (!output.external_data_path.empty()) {
    console.line(
        "", fmt::format("{} (keep this file beside the model)", shown(output.external_data_path)));
  }
  console.line("model", model_text(request, conversion.report));
  if (request.printing.verbose) console.plain("\n" + model_table(conversion.report));
  console.plain("");
  const std::string& verify = conversion.verify_command;
  if (!verify.empty()) console.plain("Next, compare the model with the checkpoint:\n  " + verify);
  console.plain(fmt::format("{} an engine with TensorRT 10:\n  {}",
                            verify.empty() ? "Next, build" : "Build", conversion.trtexec_command));
  console.plain(
      "For another TensorRT version, add --trt_version to the command below. For ONNX Runtime or "
      "vs-mlrt in VapourSynth, add --for:\n  " +
      conversion.engine_command);
}

Json conversion_json(const ConvertRequest& request, const Conversion& conversion) {
  const ConvertReport& report = conversion.report;
  const auto& graph = report.graph;
  Json json = result_json();
  json["source"] = source_json(report.source);
  json["network"] = network_json(report.network);
  json["onnx"] = {
      {"opset_version", graph.opset_version},
      {"ir_version", graph.ir_version},
      {"precision", to_string(graph.precision)},
      {"io_type", to_string(graph.io_type)},
      {"graph_form", to_string(graph.form)},
      {"projections", to_string(graph.projections)},
      {"split_kernels_over", graph.split_kernels_over ? Json(*graph.split_kernels_over) : Json()},
      {"gelu", to_string(graph.gelu)},
      {"fp32_operators", graph.fp32_operators},
      {"depthwise_fp32", graph.depthwise_fp32},
      {"fp32_blocks", graph.fp32_blocks},
      {"fp32_for_weights", graph.fp32_for_weights},
      {"dynamic", graph.shape.is_dynamic()},
      {"batch_size", axis_json(graph.shape.batch)},
      {"height", axis_json(graph.shape.height)},
      {"width", axis_json(graph.shape.width)},
      {"inputs", tensors_json(graph.inputs)},
      {"outputs", tensors_json(graph.outputs)},
      {"nodes", graph.nodes},
      {"operators", operators_json(graph.operators)},
      {"initializers", graph.initializers},
      {"parameters", graph.parameters},
      {"weights_subnormal", report.weights_subnormal},
      {"weights_flushed_to_zero", report.weights_flushed_to_zero},
      {"metadata", pairs_json(graph.metadata)}};
  json["output"] = {{"path", report.output.path.string()},
                    {"replaced", !conversion.replaced.empty()},
                    {"bytes", report.output.bytes},
                    {"external_data_path", or_null(report.output.external_data_path.string())},
                    {"external_data_bytes", report.output.external_data_bytes}};
  json["defaults"] = defaults_used(request);
  json["verification"] = conversion.verification ? *conversion.verification : Json();
  json["stages"] = steps_json(report.steps);
  add_warnings(json, report.warnings);
  json["next"] = {{"verify", or_null(conversion.verify_command)},
                  {"trtexec", conversion.trtexec_command}};
  add_targets(json, request);
  return json;
}

// --- the plan of a conversion (--dry_run), as text and as JSON --------------------------------

namespace {

std::string axis_text(const Axis& axis) {
  if (!axis.dynamic) return fmt::format("{}", axis.opt);
  return fmt::format("{} to {}, usually {}", axis.min, axis.max, axis.opt);
}

// Returns the options that the conversion will use, each with its value and its origin: the command
// line, the configuration file, --for, the checkpoint, or "default".
std::vector<GivenOption> options_in_effect(const ConvertRequest& request,
                                           const ConvertReport& planned) {
  std::vector<GivenOption> rest = request.given;
  std::vector<GivenOption> result;
  // `result` is the list that options_in_effect() will return. `rest` contains the user's options
  // that are not yet in `result`. origin_of() removes the options called `names` from `rest`, and
  // returns the origins of the removed options, for example "command line". If no option was
  // removed, origin_of() returns `otherwise`.
  const auto origin_of = [&rest](const std::vector<std::string>& names,
                                 const std::string& otherwise) {
    std::vector<std::string> origins;
    std::erase_if(rest, [&](const GivenOption& option) {
      if (std::find(names.begin(), names.end(), option.name) == names.end()) return false;
      if (std::find(origins.begin(), origins.end(), option.origin) == origins.end()) {
        origins.push_back(option.origin);
      }
      return true;
    });
    return origins.empty() ? otherwise : join(origins, ", ");
  };
  const auto by_target = [&](const std::string& name, const std::string& otherwise) {
    const bool is_set = std::any_of(request.settings.begin(), request.settings.end(),
                                    [&](const auto& setting) { return setting.option == name; });
    return is_set ? std::string("--for") : otherwise;
  };
  const auto add = [&](const std::string& name, const std::string& value,
                       const std::string& otherwise) {
    result.push_back({name, value, origin_of({name}, by_target(name, otherwise))});
  };
  add("model_type", planned.network.model_type, "checkpoint");
  add("scale", fmt::format("{}", planned.network.scale), "checkpoint");
  add("input_channels", fmt::format("{}", planned.network.input_channels), "checkpoint");

  // --shape and --dynamic_shapes set the sizes of all axes. If the user gave one of these options,
  // the loop adds the option to `result`, and sets `of_all` to the option and its origin: "--shape,
  // command line". For an axis without a --min_…, --opt_… or --max_… option, `of_all` tells the
  // user where the sizes of the axis come from.
  std::string of_all = by_target("shape", "default");
  for (const GivenOption& option : request.given) {
    if (option.name != "shape" && option.name != "dynamic_shapes") continue;
    of_all = fmt::format("--{}, {}", option.name, option.origin);
    result.push_back(option);
  }
  origin_of({"shape", "dynamic_shapes"}, "");
  const InputShape& shape = request.options.shape;
  for (const auto& [name, axis] : {std::pair<std::string, Axis>{"batch_size", shape.batch},
                                   {"height", shape.height},
                                   {"width", shape.width}}) {
    const std::string origin = origin_of({"min_" + name, "opt_" + name, "max_" + name}, of_all);
    result.push_back({name, axis_text(axis), origin});
  }
  add("opset_version", fmt::format("{}", request.options.opset()), "default");
  add("fp_mode", std::string(to_string(request.options.precision)), "default");
  add("io_type", std::string(to_string(request.options.input_output())), "default");
  add("graph_form", std::string(to_string(request.options.graph_form)), "default");
  result.insert(result.end(), rest.begin(), rest.end());
  return result;
}

}  // namespace

Json plan_json(const ConvertRequest& request, const ConvertReport& planned,
               const OutputPlan& plan) {
  Json options = Json::array();
  for (const GivenOption& option : options_in_effect(request, planned)) {
    options.push_back({{"name", option.name}, {"value", option.value}, {"origin", option.origin}});
  }
  Json source = source_json(planned.source);
  source["sha256"] = nullptr;  // unknown, because a dry run does not read the whole file
  Json json = {{"status", "ok"}, {"dry_run", true}, {"version", version()}};
  json["source"] = source;
  json["network"] = network_json(planned.network);
  json["options"] = options;
  json["output"] = {
      {"path", planned.output.path.string()}, {"action", plan.action}, {"why", plan.why}};
  add_warnings(json, planned.warnings);
  add_targets(json, request);
  return json;
}

void print_plan(Console& console, const ConvertRequest& request, const ConvertReport& planned,
                const OutputPlan& plan) {
  bool first = true;
  for (const GivenOption& option : options_in_effect(request, planned)) {
    console.line(first ? "options" : "", fmt::format("{:<21} {}  ({})", option.name,
                                                     printable(option.value), option.origin));
    first = false;
  }
  console.line("would " + plan.action,
               fmt::format("{}  ({})", shown(planned.output.path), plan.why));
  if (request.verify) {
    console.line("",
                 "the file is saved only if the model's output equals PyTorch's output within the "
                 "tolerance");
  }
  console.line("dry run", "nothing was written");
}

// --- the result of `fuse`, as JSON ------------------------------------------------------------

Json fusion_json(const FuseReport& report, bool replaced, const std::string& convert_command) {
  Json json = result_json();
  json["source"] = source_json(report.source);
  json["network"] = network_json(report.network);
  json["output"] = {{"path", report.output.path.string()},
                    {"replaced", replaced},
                    {"format", to_string(report.output.format)},
                    {"bytes", report.output.bytes},
                    {"tensors", report.output.tensors},
                    {"parameters", report.output.parameters},
                    {"dtype", report.output.dtype}};
  json["convolutions"] = report.convolutions;
  json["weights_subnormal"] = report.weights_subnormal;
  json["weights_flushed_to_zero"] = report.weights_flushed_to_zero;
  json["stages"] = steps_json(report.steps);
  add_warnings(json, report.warnings);
  json["next"] = {{"convert", convert_command}};
  return json;
}

}  // namespace aether2onnx::cli
