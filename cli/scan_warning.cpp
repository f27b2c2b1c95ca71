#include "scan_warning.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "shell.h"

namespace aether2onnx::cli {

namespace {

bool is_dangerous(Verdict verdict) { return verdict == Verdict::dangerous; }

// The worst thing in the report, in a few words.
std::string worst_of(const ScanReport& report) {
  const auto call = std::find_if(report.calls.begin(), report.calls.end(),
                                 [](const auto& each) { return is_dangerous(each.verdict); });
  if (call != report.calls.end()) return "loading it with PyTorch would call " + call->text;
  if (!report.calls.empty()) return "loading it with PyTorch would call " + report.calls[0].text;
  const auto& globals = report.globals;
  if (!globals.empty() &&
      (globals[0].verdict == Verdict::suspicious || is_dangerous(globals[0].verdict))) {
    return "loading it with PyTorch would import " + globals[0].name;
  }
  return report.findings.empty() ? "it is built to deceive" : report.findings[0].what;
}

Diagnostic warning(Diagnostic diagnostic, std::string text) {
  diagnostic.text = std::move(text);
  return diagnostic;
}

}  // namespace

std::optional<Diagnostic> scan_warning(const Invocation& invocation,
                                       const std::filesystem::path& checkpoint,
                                       const Limits& limits) {
  ScanReport report;
  try {
    report = scan_file(checkpoint, task_context(limits));
  } catch (const Error& error) {
    if (must_pass_on(error) || error.kind == ErrorKind::io) throw;
    return std::nullopt;
  }
  if (report.result != ScanResult::found) return std::nullopt;
  const std::string worst = worst_of(report);
  const std::string scan = shell_line({invocation.program, "scan", argument_path(checkpoint)});
  return warning({"checkpoint-dangerous", checkpoint.string(), "", worst, ""},
                 fmt::format("the checkpoint is more than data: {}; next, run {}", worst, scan));
}

}  // namespace aether2onnx::cli
