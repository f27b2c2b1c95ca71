#include "check_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "command_line.h"
#include "console.h"
#include "json.h"
#include "limit_option.h"

namespace aether2onnx::cli {

namespace {

struct Arguments {
  std::filesystem::path file;
  CheckOptions options;
  bool strict = false;
  Limits limits;
  Printing printing;
};

constexpr const char* kUsage = "Usage: aether2onnx check MODEL.onnx [options]\n";

constexpr const char* kFooter =
    R"(MODEL.onnx may be made by anybody. Nothing is run. Without --for all targets count,
in the versions in use: TensorRT 8.6 and ONNX Runtime 1.17 or newer. What holds for
all versions asked for counts in full; what holds for some of them is a step less:
an error becomes a warning, a warning a note.

Examples:
  aether2onnx check model.onnx
  aether2onnx check model.onnx --for tensorrt:10.3,vsmlrt --strict

Exit code: 0 no error found, 1 errors (with --strict warnings, too), or the file
can't be read, 2 wrong usage.)";

// --- the command line -------------------------------------------------------------------------

constexpr std::array kTargets = {CheckTarget::tensorrt, CheckTarget::onnxruntime,
                                 CheckTarget::vsmlrt, CheckTarget::videojanai};

struct Parser {
  CommandLine line{"Says what would stop or slow the programs that run an ONNX file.", kUsage,
                   kFooter};
  std::string targets;
  LimitOption limits;

  explicit Parser(Arguments& result);
};

Parser::Parser(Arguments& result) {
  line.add_positionals("MODEL.onnx");
  line.add_option("--for", targets,
                  "What the model is meant for, with commas between: tensorrt,\n"
                  "onnxruntime, vsmlrt, videojanai; the first two may have a\n"
                  "version, as in tensorrt:10.3. Default: all")
      .group("Check")
      .type_name("TARGET[:VERSION]");
  line.add_flag("--strict", result.strict, "Let warnings count as errors do for the exit code")
      .group("Check");
  limits.add_to(line);
  line.add_printing(result.printing, "");
}

CheckOptions::Target parse_target(const std::string& text) {
  const std::size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  for (const CheckTarget target : kTargets) {
    if (name != to_string(target)) continue;
    if (colon == std::string::npos) return {target, ""};
    const std::string version = text.substr(colon + 1);
    if (version.empty()) usage_error(fmt::format("--for {}: there is no version.", text));
    return {target, version};
  }
  usage_error(fmt::format("--for {}: must be tensorrt, onnxruntime, vsmlrt or videojanai.",
                          printable(text)));
}

std::optional<Answer> parse(const std::vector<std::string>& arguments, Arguments& result) {
  Parser parser(result);
  if (auto answer = parser.line.parse(arguments)) return answer;
  if (parser.line.positionals().size() != 1) {
    usage_error(fmt::format("one file is expected.\n{}", kUsage));
  }
  result.file = parser.line.positionals().front();
  parser.limits.take(result.limits);
  const std::string& targets = parser.targets;
  for (std::size_t begin = 0, end = 0; !targets.empty() && end != std::string::npos;
       begin = end + 1) {
    end = targets.find(',', begin);
    result.options.targets.push_back(parse_target(targets.substr(begin, end - begin)));
  }
  return std::nullopt;
}

// --- for people -------------------------------------------------------------------------------

const char* title_of(CheckTarget target) {
  switch (target) {
    case CheckTarget::tensorrt:
      return "TensorRT";
    case CheckTarget::onnxruntime:
      return "ONNX Runtime";
    case CheckTarget::vsmlrt:
      return "vs-mlrt";
    case CheckTarget::videojanai:
      return "VideoJaNai";
  }
  return "";
}

// "TensorRT below 8.6 (warning), vs-mlrt": the severity where it isn't the finding's own.
std::string concerns_text(const Finding& finding) {
  std::string text;
  for (const Finding::Concern& concern : finding.concerns) {
    text += fmt::format("{}{}{}{}", text.empty() ? "" : ", ", title_of(concern.target),
                        concern.versions.empty() ? "" : " " + concern.versions,
                        concern.severity == finding.severity
                            ? ""
                            : fmt::format(" ({})", to_string(concern.severity)));
  }
  return text;
}

void print(Console& console, const CheckReport& report, const Arguments& arguments) {
  console.line("file", shown(arguments.file));
  for (const Finding& finding : report.findings) {
    console.line(std::string(to_string(finding.severity)),
                 fmt::format("{}: {}", finding.code, finding.what));
    console.line("", "for " + concerns_text(finding));
    if (!finding.remedy.empty()) console.line("", finding.remedy);
  }
  console.line("found", fmt::format("{}, {}, {}", plural(report.count(Severity::error), "error"),
                                    plural(report.count(Severity::warning), "warning"),
                                    plural(report.count(Severity::note), "note")));
}

// --- for programs -----------------------------------------------------------------------------

Json finding_json(const Finding& finding) {
  Json concerns = Json::array();
  for (const Finding::Concern& concern : finding.concerns) {
    concerns.push_back({{"target", to_string(concern.target)},
                        {"severity", to_string(concern.severity)},
                        {"versions", concern.versions}});
  }
  return {{"severity", to_string(finding.severity)},
          {"code", finding.code},
          {"what", finding.what},
          {"count", finding.count},
          {"concerns", concerns},
          {"remedy", finding.remedy}};
}

Json report_json(const CheckReport& report, int exit_code) {
  Json json;
  json["status"] = "ok";
  json["version"] = version();
  json["findings"] = Json::array();
  for (const Finding& finding : report.findings) json["findings"].push_back(finding_json(finding));
  json["errors"] = report.count(Severity::error);
  json["warnings"] = report.count(Severity::warning);
  json["notes"] = report.count(Severity::note);
  json["exit_code"] = exit_code;
  return json;
}

}  // namespace

void describe_check(const UseCommandLine& use) {
  Arguments arguments;
  Parser parser(arguments);
  use(parser.line);
}

int run_check(const Invocation& invocation) {
  Arguments arguments;
  if (const auto answer = parse(invocation.arguments, arguments)) return print_answer(*answer);
  Console console(arguments.printing);
  CheckReport report = check_file(arguments.file, arguments.options, {arguments.limits, &console});
  for (Finding& finding : report.findings) {
    finding.what = spelled(finding.what);
    finding.remedy = spelled(finding.remedy);
  }
  const std::uint64_t failures =
      report.count(Severity::error) + (arguments.strict ? report.count(Severity::warning) : 0);
  const int exit_code = failures > 0 ? kFailed : kDone;
  print(console, report, arguments);
  if (arguments.printing.json) print_result(report_json(report, exit_code), "the file was checked");
  return exit_code;
}

}  // namespace aether2onnx::cli
