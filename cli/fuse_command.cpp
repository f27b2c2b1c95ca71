#include "fuse_command.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "checkpoint_arguments.h"
#include "command_line.h"
#include "console.h"
#include "json.h"
#include "limit_option.h"
#include "shell.h"

namespace aether2onnx::cli {

namespace {

struct Arguments {
  std::filesystem::path input;
  std::filesystem::path output;  // empty: {stem}_fused.pth beside the input
  FuseOptions options;
  Limits limits;
  Printing printing;
};

constexpr const char* kUsage =
    "Usage: aether2onnx fuse MODEL.pth [FUSED.pth | FUSED.safetensors] [options]\n";

constexpr const char* kFooter = R"(Examples:
  aether2onnx fuse net_g_500000.pth
      Saved as net_g_500000_fused.pth beside it, for torch.load(weights_only=True)
      and load_state_dict(strict=True) of the network in its fused state.
  aether2onnx fuse net_g_500000.pth model.safetensors --dtype float16
      As safetensors, half the size.

Exit code: 0 done, 1 failed, 2 wrong usage.)";

void add_options(CommandLine& line, std::string& dtype, std::string& format) {
  const std::string group = "Fused checkpoint";
  line.add_option("--dtype", dtype, "Type of the weights. Default: same as stored")
      .group(group)
      .type_name("same|float32|float16|bfloat16|float64");
  line.add_option("--format", format,
                  "Default: as the output's name ends, pth where it doesn't\n"
                  "tell")
      .group(group)
      .type_name("pth|safetensors");
}

WeightType parse_dtype(const std::string& text) {
  for (const WeightType type : {WeightType::same, WeightType::float32, WeightType::float16,
                                WeightType::bfloat16, WeightType::float64}) {
    if (text == to_string(type)) return type;
  }
  usage_error(
      fmt::format("--dtype {}: must be same, float32, float16, bfloat16 or float64.", text));
}

std::optional<CheckpointFormat> parse_format(const std::string& text) {
  if (text.empty()) return std::nullopt;
  for (const CheckpointFormat format : {CheckpointFormat::pth, CheckpointFormat::safetensors}) {
    if (text == to_string(format)) return format;
  }
  usage_error(fmt::format("--format {}: must be pth or safetensors.", text));
}

// The command line, and what is kept of it until it is parsed.
struct Parser {
  CommandLine line{"Fuses an AetherNet checkpoint: one convolution in place of each pair.", kUsage,
                   kFooter};
  FileArguments files{"fused checkpoint", "aether2onnx fuse MODEL.pth [FUSED.pth] [options]"};
  std::string dtype{to_string(WeightType::same)};
  std::string format;
  LimitOption limits;

  explicit Parser(Arguments& result);
};

Parser::Parser(Arguments& result) {
  files.add_to(line, "--output_model_path",
               "Where to save the fused checkpoint. Missing folders are\n"
               "created. Default: {name}_fused.pth beside the checkpoint");
  add_network_options(line, result.options.expect, result.options.read);
  add_options(line, dtype, format);
  limits.add_to(line);
  line.add_printing(result.printing, "");
}

std::optional<Answer> parse(const std::vector<std::string>& arguments, Arguments& result) {
  Parser parser(result);
  if (auto answer = parser.line.parse(arguments)) return answer;
  parser.files.take(parser.line.positionals(), result.input, result.output);
  result.options.dtype = parse_dtype(parser.dtype);
  result.options.format = parse_format(parser.format);
  parser.limits.take(result.limits);
  validate(result.options);
  return std::nullopt;
}

Json fusion_json(const FuseReport& report, const std::string& convert_command) {
  Json json;
  json["status"] = "ok";
  json["version"] = version();
  json["source"] = source_json(report.source);
  json["network"] = network_json(report.network);
  json["output"] = {
      {"path", report.output.path.string()},    {"format", to_string(report.output.format)},
      {"bytes", report.output.bytes},           {"tensors", report.output.tensors},
      {"parameters", report.output.parameters}, {"dtype", report.output.dtype}};
  json["convolutions"] = report.convolutions;
  json["weights_subnormal"] = report.weights_subnormal;
  json["weights_flushed_to_zero"] = report.weights_flushed_to_zero;
  json["stages"] = steps_json(report.steps);
  add_warnings(json, report.warnings);
  json["next"] = {{"convert", convert_command}};
  return json;
}

}  // namespace

void describe_fuse(const UseCommandLine& use) {
  Arguments arguments;
  Parser parser(arguments);
  use(parser.line);
}

int run_fuse(const Invocation& invocation) {
  Arguments arguments;
  if (const auto answer = parse(invocation.arguments, arguments)) return print_answer(*answer);
  Console console(arguments.printing);
  const FuseReport report =
      fuse_file(arguments.input, arguments.output, arguments.options, {arguments.limits, &console});
  console.line("saved", shown(report.output.path));
  const std::string convert = shell_line({invocation.program, argument_path(report.output.path)});
  console.plain("\nNext, convert it:\n  " + convert);
  if (arguments.printing.json) {
    print_result(fusion_json(report, convert),
                 fmt::format("{} was saved", shown(report.output.path)));
  }
  return kDone;
}

}  // namespace aether2onnx::cli
