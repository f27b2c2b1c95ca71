// Runs every rule on one file and keeps the findings that matter for the requested targets.

#include "judge/check/check.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "formats/file_kind.h"
#include "formats/zip/zip.h"
#include "judge/words.h"
#include "pipeline.h"
#include "port/files.h"

namespace aether2onnx::judge::check {

namespace {

// A requested target and its versions.
struct Asked {
  CheckTarget target = CheckTarget::tensorrt;
  Range versions;
};

Range versions_of(const CheckOptions::Target& wanted) {
  const TargetRow& row = row_of(wanted.target);
  if (wanted.version.empty()) return row.current;
  const auto versions = parse_versions(wanted.version);
  if (versions && row.has_versions) return *versions;
  fail({ErrorKind::usage, "option-version", "for", "10, 8.6 or 8.6.1", wanted.version},
       "{} {}:{}: a version looks like 10, 8.6 or 8.6.1; only tensorrt and onnxruntime have "
       "versions "
       "here.",
       option("for"), row.name, printable(wanted.version, 40));
}

std::vector<Asked> asked_targets(const CheckOptions& options) {
  std::vector<Asked> asked;
  for (const CheckOptions::Target& wanted : options.targets) {
    asked.push_back({wanted.target, versions_of(wanted)});
  }
  if (!asked.empty()) return asked;
  for (const TargetRow& row : targets()) asked.push_back({row.target, row.current});
  return asked;
}

Severity one_less(Severity severity) {
  return severity == Severity::error ? Severity::warning : Severity::note;
}

// A concern about all requested versions counts in full, about some of them one step less.
std::optional<Severity> severity_for(const Concern& concern, const Asked& asked) {
  if (concern.target != asked.target) return std::nullopt;
  if (concern.versions.contains(asked.versions)) return concern.severity;
  if (concern.versions.meets(asked.versions)) return one_less(concern.severity);
  return std::nullopt;
}

// Returns nullopt if the finding matters to no requested target.
std::optional<Finding> weigh(const char* code, const Found::Raw& raw,
                             const std::vector<Asked>& asked) {
  Finding finding{Severity::note, code, raw.what, raw.remedy, raw.count, {}};
  for (const Concern& concern : raw.concerns) {
    std::optional<Severity> worst;
    for (const Asked& target : asked) worst = std::max(worst, severity_for(concern, target));
    if (!worst) continue;
    finding.concerns.push_back({concern.target, *worst, range_text(concern.versions)});
    finding.severity = std::max(finding.severity, *worst);
  }
  if (finding.concerns.empty()) return std::nullopt;
  return finding;
}

CheckReport check_input(const Input& input, const io::Siblings* siblings,
                        const CheckOptions& options, const Context& context) {
  if (formats::sniff(input) != formats::FileKind::onnx) {
    fail({ErrorKind::unsupported, "file-not-onnx", "", "an ONNX model", ""},
         "the file is no ONNX model.\nInspect the file to see what it is. If it is a checkpoint, "
         "convert it first.");
  }
  return run(onnx::read(input, context), input, siblings, options, context);
}

}  // namespace

CheckReport run(const onnx::Model& file, const Input& input, const io::Siblings* siblings,
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
      for (const Found::Raw& raw : found.findings) {
        if (auto finding = weigh(rule.code, raw, asked)) {
          report.findings.push_back(std::move(*finding));
        }
      }
    }
  }
  std::stable_sort(report.findings.begin(), report.findings.end(),
                   [](const Finding& a, const Finding& b) { return a.severity > b.severity; });
  return report;
}

}  // namespace aether2onnx::judge::check

namespace aether2onnx {

std::string_view to_string(Severity severity) noexcept {
  constexpr std::array<std::string_view, 3> names = {"note", "warning", "error"};
  return judge::name_in(names, severity);
}

std::uint64_t CheckReport::count(Severity severity) const {
  return static_cast<std::uint64_t>(
      std::count_if(findings.begin(), findings.end(),
                    [severity](const Finding& finding) { return finding.severity == severity; }));
}

CheckReport check(const Input& input, const CheckOptions& options, const Context& context) {
  return pipeline::naming(
      "", [&] { return judge::check::check_input(input, nullptr, options, context); });
}

CheckReport check_file(const std::filesystem::path& path, const CheckOptions& options,
                       const Context& context) {
  const io::FileInput input(path, context.cancelled);
  const io::FolderSiblings siblings(path, context.cancelled);
  return pipeline::naming(printable(path.string(), 4096), [&] {
    return judge::check::check_input(input, &siblings, options, context);
  });
}

}  // namespace aether2onnx
