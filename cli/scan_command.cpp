#include "scan_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "command_line.h"
#include "console.h"
#include "json.h"
#include "limit_option.h"

namespace aether2onnx::cli {

namespace {

struct Arguments {
  std::vector<std::filesystem::path> files;
  Limits limits;
  Printing printing;
};

constexpr const char* kUsage = "Usage: aether2onnx scan FILE... [options]\n";

constexpr const char* kFooter =
    R"(FILE is a checkpoint (.pth, safetensors), a pickle or an ONNX file. Nothing in it is
run or imported. Names in pickles are judged by a list of what is allowed.

Examples:
  aether2onnx scan model.pth
  aether2onnx scan downloads/*.pth --json --quiet

Exit code: 0 clean: data and nothing else; 1 found: loading it would or could do more,
or it is built to deceive; 2 can't tell, which wrong usage and a file that can't be read
are, too. Of several files the worst counts: 1 before 2 before 0.)";

constexpr int kClean = 0;
constexpr int kFound = 1;
constexpr int kUnclear = 2;

// --- the command line -------------------------------------------------------------------------

struct Parser {
  CommandLine line{"Says whether a file holds anything but data, without loading it.", kUsage,
                   kFooter};
  LimitOption limits;

  explicit Parser(Arguments& result);
};

Parser::Parser(Arguments& result) {
  line.add_positionals("FILE...");
  limits.add_to(line);
  line.add_printing(result.printing, "");
}

std::optional<Answer> parse(const std::vector<std::string>& arguments, Arguments& result) {
  Parser parser(result);
  if (auto answer = parser.line.parse(arguments)) return answer;
  if (parser.line.positionals().empty()) {
    usage_error(fmt::format("no file was given.\n{}", kUsage));
  }
  for (const std::string& file : parser.line.positionals()) result.files.emplace_back(file);
  parser.limits.take(result.limits);
  return std::nullopt;
}

// --- scanning ---------------------------------------------------------------------------------

struct Scanned {
  std::filesystem::path file;
  ScanReport report;
  std::optional<Failure> failure;  // in place of the report
};

Scanned scan_one(const std::filesystem::path& file, const Arguments& arguments, Console& console) {
  Scanned scanned{file, {}, {}};
  try {
    scanned.report = scan_file(file, {arguments.limits, &console});
  } catch (const Error& error) {
    if (error.kind == ErrorKind::usage) throw;
    scanned.failure = failure_of(error);
  } catch (const std::bad_alloc& error) {
    scanned.failure = failure_of(error);
  }
  if (scanned.failure) scanned.failure->exit_code = kUnclear;
  return scanned;
}

int exit_code_of(ScanResult result) {
  switch (result) {
    case ScanResult::clean:
      return kClean;
    case ScanResult::found:
      return kFound;
    case ScanResult::unclear:
      break;
  }
  return kUnclear;
}

// --- for people -------------------------------------------------------------------------------

const char* sentence_of(ScanResult result) {
  switch (result) {
    case ScanResult::clean:
      return "clean: data and nothing else";
    case ScanResult::unclear:
      return "can't tell: something in it isn't understood";
    case ScanResult::found:
      return "FOUND: more than data. Don't load it with PyTorch unless you know why";
  }
  return "";
}

const char* label_of(ScanResult weight) {
  switch (weight) {
    case ScanResult::clean:
      return "note";
    case ScanResult::unclear:
      return "unclear";
    case ScanResult::found:
      return "found";
  }
  return "";
}

void print(Console& console, const Scanned& scanned) {
  console.line("file", shown(scanned.file));
  if (scanned.failure) {
    console.line("result", "can't tell: it can't be read");
    return;
  }
  const ScanReport& report = scanned.report;
  if (!report.container.empty()) console.line("container", report.container);
  std::uint64_t tensors = 0;
  for (const ScanReport::Global& global : report.globals) {
    if (global.verdict == Verdict::tensors) {
      ++tensors;
      continue;
    }
    console.line(
        std::string(to_string(global.verdict)),
        fmt::format("{}  ({}, {})", global.name, global.where, plural(global.count, "time")));
  }
  if (tensors > 0)
    console.line("tensors", fmt::format("{} that rebuild tensors", plural(tensors, "name")));
  for (const ScanReport::Call& call : report.calls) {
    console.line("call", fmt::format("would call {}  ({})", call.text, call.where));
  }
  for (const ScanReport::Finding& finding : report.findings) {
    console.line(label_of(finding.weight), fmt::format("{}: {}", finding.code, finding.what));
  }
  if (report.not_listed > 0) {
    console.line("more", fmt::format("{} that aren't listed", with_thousands(report.not_listed)));
  }
  console.line("result", sentence_of(report.result));
}

// --- for programs -----------------------------------------------------------------------------

Json scanned_json(const Scanned& scanned) {
  Json json;
  json["file"] = scanned.file.string();
  if (scanned.failure) {
    json["result"] = to_string(ScanResult::unclear);
    json["error"] = {{"kind", scanned.failure->kind},
                     {"code", scanned.failure->diagnostic.code},
                     {"message", scanned.failure->diagnostic.text}};
    return json;
  }
  const ScanReport& report = scanned.report;
  json["result"] = to_string(report.result);
  json["container"] = report.container;
  json["globals"] = Json::array();
  for (const ScanReport::Global& global : report.globals) {
    json["globals"].push_back({{"name", global.name},
                               {"verdict", to_string(global.verdict)},
                               {"where", global.where},
                               {"count", global.count}});
  }
  json["calls"] = Json::array();
  for (const ScanReport::Call& call : report.calls) {
    json["calls"].push_back(
        {{"text", call.text}, {"verdict", to_string(call.verdict)}, {"where", call.where}});
  }
  json["findings"] = Json::array();
  for (const ScanReport::Finding& finding : report.findings) {
    json["findings"].push_back(
        {{"weight", to_string(finding.weight)}, {"code", finding.code}, {"what", finding.what}});
  }
  json["not_listed"] = report.not_listed;
  return json;
}

}  // namespace

void describe_scan(const UseCommandLine& use) {
  Arguments arguments;
  Parser parser(arguments);
  use(parser.line);
}

int run_scan(const Invocation& invocation) {
  Arguments arguments;
  if (const auto answer = parse(invocation.arguments, arguments)) return print_answer(*answer);
  Console console(arguments.printing);
  Json results = Json::array();
  std::uint64_t clean = 0;
  std::uint64_t unclear = 0;
  std::uint64_t found = 0;
  for (const std::filesystem::path& file : arguments.files) {
    const Scanned scanned = scan_one(file, arguments, console);
    if (scanned.failure) print_failure(*scanned.failure, false);
    print(console, scanned);
    const int code = scanned.failure ? kUnclear : exit_code_of(scanned.report.result);
    ++(code == kClean ? clean : code == kFound ? found : unclear);
    if (arguments.printing.json) results.push_back(scanned_json(scanned));
  }
  const int exit_code = found > 0 ? kFound : unclear > 0 ? kUnclear : kClean;
  if (arguments.files.size() > 1) {
    console.line("scanned",
                 fmt::format("{} clean, {} found, {} can't tell", clean, found, unclear));
  }
  if (arguments.printing.json) {
    Json json;
    json["status"] = "ok";
    json["version"] = version();
    json["results"] = std::move(results);
    json["clean"] = clean;
    json["found"] = found;
    json["unclear"] = unclear;
    json["exit_code"] = exit_code;
    if (!write_text(stdout, dump(json))) {
      write_text(stderr, "error: the files were scanned, but the result can't be printed.\n");
      return exit_code == kFound ? kFound : kUnclear;
    }
  }
  return exit_code;
}

}  // namespace aether2onnx::cli
