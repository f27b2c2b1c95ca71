// All rules on one file, and what their findings mean for the targets that were asked for.

#include "judge/check/check.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "judge/check/rules.h"

namespace aether2onnx::checks {

namespace {

constexpr std::array kTargets = {CheckTarget::tensorrt, CheckTarget::onnxruntime,
                                 CheckTarget::vsmlrt, CheckTarget::videojanai};

// A target that the file is meant for, and the versions of it.
struct Asked {
  CheckTarget target = CheckTarget::tensorrt;
  Range versions;
};

std::vector<Asked> asked_targets(const CheckOptions& options) {
  std::vector<Asked> asked;
  for (const CheckOptions::Target& wanted : options.targets) {
    Asked target{wanted.target, current_versions(wanted.target)};
    if (!wanted.version.empty()) {
      const auto versions = parse_versions(wanted.version);
      if (!versions || !has_versions(wanted.target)) {
        fail(ErrorKind::usage, "--for {}:{}: {}.", to_string(wanted.target),
             printable(wanted.version, 40),
             has_versions(wanted.target) ? "a version looks like 10, 8.6 or 8.6.1"
                                         : "only tensorrt and onnxruntime have versions here");
      }
      target.versions = *versions;
    }
    asked.push_back(target);
  }
  if (!asked.empty()) return asked;
  for (const CheckTarget target : kTargets) asked.push_back({target, current_versions(target)});
  return asked;
}

Severity one_less(Severity severity) {
  return severity == Severity::error ? Severity::warning : Severity::note;
}

// How bad a concern is for the versions asked for: in full where it is about all of them, a step
// less where about some.
std::optional<Severity> severity_for(const Concern& concern, const Asked& asked) {
  if (concern.target != asked.target) return std::nullopt;
  if (concern.versions.contains(asked.versions)) return concern.severity;
  if (concern.versions.meets(asked.versions)) return one_less(concern.severity);
  return std::nullopt;
}

// Nothing where the finding doesn't matter to any target asked for.
std::optional<Finding> judge(const char* code, const RawFinding& raw,
                             const std::vector<Asked>& asked) {
  Finding finding;
  finding.code = code;
  finding.what = raw.what;
  finding.remedy = raw.remedy;
  finding.count = raw.count;
  for (const Concern& concern : raw.concerns) {
    std::optional<Severity> worst;
    for (const Asked& target : asked) {
      const auto severity = severity_for(concern, target);
      if (severity && (!worst || *severity > *worst)) worst = severity;
    }
    if (!worst) continue;
    finding.concerns.push_back({concern.target, *worst, range_text(concern.versions)});
    finding.severity = std::max(finding.severity, *worst);
  }
  if (finding.concerns.empty()) return std::nullopt;
  return finding;
}

}  // namespace

CheckReport run(const onnx::File& file, const Input& input, const io::Siblings* siblings,
                const CheckOptions& options, const Context& context) {
  const std::vector<Asked> asked = asked_targets(options);
  const Model model = make_model(file, input, siblings, context);
  CheckReport report;
  for (const std::span<const Rule> rules :
       {file_rules(), graph_rules(), operator_rules(), shape_rules(), type_rules(),
        quantization_rules(), weight_rules()}) {
    for (const Rule& rule : rules) {
      Found found;
      rule.apply(model, found);
      for (const RawFinding& raw : found) {
        if (auto finding = judge(rule.code, raw, asked)) {
          report.findings.push_back(std::move(*finding));
        }
      }
    }
  }
  std::stable_sort(report.findings.begin(), report.findings.end(),
                   [](const Finding& a, const Finding& b) { return a.severity > b.severity; });
  return report;
}

}  // namespace aether2onnx::checks

namespace aether2onnx {

std::string_view to_string(Severity severity) noexcept {
  switch (severity) {
    case Severity::note:
      return "note";
    case Severity::warning:
      return "warning";
    case Severity::error:
      return "error";
  }
  return "error";
}

std::string_view to_string(CheckTarget target) noexcept {
  switch (target) {
    case CheckTarget::tensorrt:
      return "tensorrt";
    case CheckTarget::onnxruntime:
      return "onnxruntime";
    case CheckTarget::vsmlrt:
      return "vsmlrt";
    case CheckTarget::videojanai:
      return "videojanai";
  }
  return "tensorrt";
}

std::uint64_t CheckReport::count(Severity severity) const {
  return static_cast<std::uint64_t>(
      std::count_if(findings.begin(), findings.end(),
                    [severity](const Finding& finding) { return finding.severity == severity; }));
}

}  // namespace aether2onnx
