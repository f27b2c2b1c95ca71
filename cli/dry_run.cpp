#include "dry_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "port/files.h"

namespace aether2onnx::cli {

OutputPlan plan_output(const std::filesystem::path& input, const ConvertReport& planned,
                       const ConvertArguments& arguments) {
  const std::filesystem::path& output = planned.output.path;
  io::check_target(output, input, "model.onnx");
  if (!std::filesystem::exists(output)) return {"write", "there is no such file"};
  const std::string difference =
      why_outdated(input, planned, arguments.verify && is_mixed(arguments.options.precision),
                   {arguments.limits});
  if (!difference.empty()) return {"replace", "it exists; " + difference};
  if (arguments.batch.skip_existing)
    return {"skip", "it was made from this checkpoint with these options"};
  return {"replace", "it exists, made from this checkpoint with these options"};
}

namespace {

std::string axis_text(const Axis& axis) {
  if (!axis.dynamic) return fmt::format("{}", axis.opt);
  return fmt::format("{} to {}, usually {}", axis.min, axis.max, axis.opt);
}

}  // namespace

std::vector<GivenOption> options_in_effect(const ConvertArguments& arguments,
                                           const ConvertReport& planned) {
  std::vector<GivenOption> rest = arguments.given;
  std::vector<GivenOption> result;
  // Moves what was given under one of the names; gives where it came from.
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
  const auto add = [&](const std::string& name, const std::string& value,
                       const std::string& otherwise) {
    result.push_back({name, value, origin_of({name}, otherwise)});
  };
  add("model_type", planned.network.model_type, "checkpoint");
  add("scale", fmt::format("{}", planned.network.scale), "checkpoint");
  add("input_channels", fmt::format("{}", planned.network.input_channels), "checkpoint");

  // --shape and --dynamic_shapes decide over every axis, and stand for themselves as well.
  std::string of_all = "default";
  for (const GivenOption& option : arguments.given) {
    if (option.name != "shape" && option.name != "dynamic_shapes") continue;
    of_all = fmt::format("--{}, {}", option.name, option.origin);
    result.push_back(option);
  }
  origin_of({"shape", "dynamic_shapes"}, "");
  const InputShape& shape = arguments.options.shape;
  for (const auto& [name, axis] : {std::pair<std::string, Axis>{"batch_size", shape.batch},
                                   {"height", shape.height},
                                   {"width", shape.width}}) {
    const std::string origin = origin_of({"min_" + name, "opt_" + name, "max_" + name}, of_all);
    result.push_back({name, axis_text(axis), origin});
  }
  add("opset_version", fmt::format("{}", arguments.options.opset()), "default");
  add("fp_mode", std::string(to_string(arguments.options.precision)), "default");
  add("io_type", std::string(to_string(arguments.options.input_output())), "default");
  add("graph_form", std::string(to_string(arguments.options.graph_form)), "default");
  result.insert(result.end(), rest.begin(), rest.end());
  return result;
}

Json plan_json(const ConvertArguments& arguments, const ConvertReport& planned,
               const OutputPlan& plan) {
  Json options = Json::array();
  for (const GivenOption& option : options_in_effect(arguments, planned)) {
    options.push_back({{"name", option.name}, {"value", option.value}, {"origin", option.origin}});
  }
  Json source = source_json(planned.source);
  source["sha256"] = nullptr;  // the file wasn't read whole
  Json json = {
      {"status", "ok"},
      {"dry_run", true},
      {"version", version()},
      {"source", source},
      {"network", network_json(planned.network)},
      {"options", options},
      {"output",
       {{"path", planned.output.path.string()}, {"action", plan.action}, {"why", plan.why}}}};
  add_warnings(json, planned.warnings);
  return json;
}

int run_dry(const ConvertArguments& arguments, Console& console) {
  console.line("input", shown(arguments.input));
  const ConvertReport planned =
      plan_file(arguments.input, arguments.output, arguments.options, {arguments.limits, &console});
  const OutputPlan plan = plan_output(arguments.input, planned, arguments);
  bool first = true;
  for (const GivenOption& option : options_in_effect(arguments, planned)) {
    console.line(first ? "options" : "", fmt::format("{:<21} {}  ({})", option.name,
                                                     printable(option.value), option.origin));
    first = false;
  }
  console.line("would " + plan.action,
               fmt::format("{}  ({})", shown(planned.output.path), plan.why));
  if (arguments.verify) console.line("", "if it is equal to PyTorch within the tolerance");
  console.line("dry run", "nothing was written");
  if (arguments.printing.json) {
    print_result(plan_json(arguments, planned, plan), "nothing was written");
  }
  return kDone;
}

}  // namespace aether2onnx::cli
