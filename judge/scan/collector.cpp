// The class Collector, which builds the report of a scan.

#include <algorithm>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "judge/scan/scan.h"

namespace aether2onnx::judge::scan {

void Collector::take(ScanResult weight) { worst_ = std::max(worst_, weight); }

void Collector::global(std::string_view module, std::string_view name, Verdict verdict,
                       const std::string& where) {
  take(verdict >= Verdict::suspicious ? ScanResult::found : ScanResult::clean);
  std::string text = fmt::format("{}.{}", printable(module), printable(name));
  if (const auto known = globals_.find(text); known != globals_.end()) {
    ScanReport::Global& global = report_.globals[known->second];
    global.verdict = std::max(global.verdict, verdict);
    ++global.count;
    return;
  }
  if (report_.globals.size() >= limits::kListed) {
    ++report_.not_listed;
    return;
  }
  globals_.emplace(text, report_.globals.size());
  report_.globals.push_back({std::move(text), verdict, where, 1});
}

void Collector::call(std::string text, Verdict verdict, const std::string& where) {
  if (is_full_of_calls()) {
    another_call();
    return;
  }
  take(ScanResult::found);
  if (!seen_.insert("call " + text).second) return;
  report_.calls.push_back({std::move(text), verdict, where});
}

void Collector::another_call() {
  take(ScanResult::found);
  ++report_.not_listed;
}

void Collector::finding(ScanResult weight, std::string code, std::string what) {
  take(weight);
  // `weight` says how bad the finding is: clean, unclear or found. The report lists at most kListed
  // findings of each weight, so that many harmless findings cannot hide a danger.
  std::size_t& listed = findings_.at(static_cast<std::size_t>(weight));
  if (listed >= limits::kListed) {
    ++report_.not_listed;
    return;
  }
  if (!seen_.insert(code + ' ' + what).second) return;
  ++listed;
  report_.findings.push_back({weight, std::move(code), std::move(what)});
}

void Collector::unclear(const char* code, const Error& error, const std::string& where) {
  if (must_pass_on(error) || error.kind == ErrorKind::io) throw;
  const std::string what = first_line(error.what());
  finding(ScanResult::unclear, code, where.empty() ? what : where + ": " + what);
}

ScanReport Collector::finish() {
  const auto worst_first = [](auto& list, auto badness) {
    std::stable_sort(list.begin(), list.end(),
                     [&](const auto& a, const auto& b) { return badness(a) > badness(b); });
  };
  worst_first(report_.globals, [](const auto& global) { return global.verdict; });
  worst_first(report_.calls, [](const auto& call) { return call.verdict; });
  worst_first(report_.findings, [](const auto& finding) { return finding.weight; });
  report_.result = worst_;
  return std::move(report_);
}

std::string first_line(std::string_view message) {
  std::string line(message.substr(0, message.find('\n')));
  while (line.ends_with('.') || line.ends_with(':')) line.pop_back();
  return line;
}

}  // namespace aether2onnx::judge::scan
