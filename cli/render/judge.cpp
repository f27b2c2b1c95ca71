#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "results.h"

namespace aether2onnx::cli {

// --- the result of `check`, as text and as JSON -----------------------------------------------

namespace {

std::string_view title_of(Target target) {
  return targets().at(static_cast<std::size_t>(target)).title;
}

// Returns the names of the programs that have the problem in `finding`: "TensorRT below 8.6
// (warning), vs-mlrt". The text contains a severity, such as "(warning)", only for a program whose
// severity differs from finding.severity.
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

}  // namespace

void print_check(Console& console, const std::filesystem::path& file, const CheckReport& report) {
  console.line("file", shown(file));
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

std::string findings_text(const CheckReport& report, Severity least) {
  std::string text;
  for (const Finding& finding : report.findings) {
    if (static_cast<int>(finding.severity) < static_cast<int>(least)) continue;
    text += fmt::format("{}: {}: {}\n", to_string(finding.severity), finding.code, finding.what);
  }
  return text;
}

Json check_json(const CheckReport& report, int exit_code) {
  Json json = result_json();
  json["findings"] = Json::array();
  for (const Finding& finding : report.findings) json["findings"].push_back(finding_json(finding));
  json["errors"] = report.count(Severity::error);
  json["warnings"] = report.count(Severity::warning);
  json["notes"] = report.count(Severity::note);
  json["exit_code"] = exit_code;
  return json;
}

// --- the result of `scan`, as text and as JSON ------------------------------------------------

namespace {

const char* sentence_of(ScanResult result) {
  constexpr std::array sentences = {
      "clean: the file is data and nothing else",
      "unknown: scan does not understand a part of the file",
      "DANGEROUS: loading the file could run code or do other harm. Do not load the file with "
      "PyTorch unless you know the reason for every finding above"};
  return sentences.at(static_cast<std::size_t>(result));
}

const char* label_of(ScanResult weight) {
  constexpr std::array labels = {"note", "unclear", "found"};
  return labels.at(static_cast<std::size_t>(weight));
}

}  // namespace

void print_scanned(Console& console, const Scanned& scanned) {
  console.line("file", shown(scanned.file));
  if (scanned.failure) {
    console.line("result", "unknown: the file can't be read");
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
  if (tensors > 0) {
    console.line("tensors", fmt::format("{} that PyTorch imports to rebuild tensors",
                                        plural(tensors, "name")));
  }
  for (const ScanReport::Call& call : report.calls) {
    console.line("call",
                 fmt::format("loading the file would call {}  ({})", call.text, call.where));
  }
  for (const ScanReport::Finding& finding : report.findings) {
    console.line(label_of(finding.weight), fmt::format("{}: {}", finding.code, finding.what));
  }
  if (report.not_listed > 0) {
    console.line("more",
                 fmt::format("{} entries that aren't listed", with_thousands(report.not_listed)));
  }
  console.line("result", sentence_of(report.result));
}

Json scanned_json(const Scanned& scanned) {
  Json json;
  json["file"] = scanned.file.string();
  if (scanned.failure) {
    json["result"] = to_string(ScanResult::unclear);
    json["error"] = error_json(*scanned.failure);
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

}  // namespace aether2onnx::cli
