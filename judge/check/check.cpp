// The command check: runs every rule on an ONNX file, and keeps the findings about the requested
// targets, which are the programs that will run the file.

#include "judge/check/check.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "formats/file_kind.h"
#include "formats/zip/zip.h"
#include "pipeline.h"
#include "port/files.h"

namespace aether2onnx::judge::check {

namespace {

std::vector<Asked> asked_of(const CheckOptions& options) {
  if (!options.targets.empty()) return asked_targets(options.targets);
  std::vector<TargetVersion> usual;
  for (const TargetRow& row : target_rows()) {
    if (row.by_default) usual.push_back({row.target, ""});
  }
  return asked_targets(usual);
}

Severity one_less(Severity severity) {
  return severity == Severity::error ? Severity::warning : Severity::note;
}

// A Concern says how serious a problem is for one target. Returns the severity for the requested
// `versions` of the target. If only some of these versions have the problem, the severity is one
// step lower. Returns nullopt if no requested version has the problem.
std::optional<Severity> severity_in(const Concern& concern, const Range& versions) {
  if (concern.versions.contains(versions)) return concern.severity;
  if (concern.versions.meets(versions)) return one_less(concern.severity);
  return std::nullopt;
}

// Returns whether `concern` (how serious a problem is for one target) is about the runtime inside
// the requested program `asked`, for example about ONNX Runtime inside chaiNNer. The program then
// has the problem, too. Returns false if the caller also requested the runtime itself: then the
// finding names only the runtime.
bool is_inherited(const Concern& concern, const Asked& asked, const std::vector<Asked>& all) {
  if (concern.itself || concern.target == asked.row->target ||
      concern.target != asked.row->runtime) {
    return false;
  }
  return std::none_of(all.begin(), all.end(),
                      [&](const Asked& each) { return each.row->target == concern.target; });
}

void add_concern(Finding& finding, const Finding::Concern& concern) {
  finding.severity = std::max(finding.severity, concern.severity);
  for (Finding::Concern& known : finding.concerns) {
    if (known.target != concern.target || known.versions != concern.versions) continue;
    if (known.severity < concern.severity) known = concern;
    return;
  }
  finding.concerns.push_back(concern);
}

// Returns `raw`, a problem that a rule found, as a finding with the severity for each requested
// target (program). Returns nullopt if no requested target has the problem.
std::optional<Finding> weigh(const char* code, const Found::Raw& raw,
                             const std::vector<Asked>& asked) {
  Finding finding{Severity::note, code, raw.what, raw.remedy, raw.count, {}};
  for (const Concern& concern : raw.concerns) {
    for (const Asked& each : asked) {
      const bool inherited = is_inherited(concern, each, asked);
      if (!inherited && concern.target != each.row->target) continue;
      const auto severity = severity_in(concern, each.versions);
      if (!severity) continue;
      std::string versions = range_text(concern.versions);
      if (inherited && !versions.empty()) {
        versions = fmt::format("with {} {}", row_of(concern.target).title, versions);
      }
      add_concern(finding, {each.row->target, *severity, versions});
    }
  }
  if (finding.concerns.empty()) return std::nullopt;
  return finding;
}

CheckReport check_input(const Input& input, const io::Siblings* siblings,
                        const CheckOptions& options, const Context& context) {
  if (formats::sniff(input) != formats::FileKind::onnx) {
    fail({ErrorKind::unsupported, "file-not-onnx", "", "an ONNX model", ""},
         "the file is no ONNX model.\n"
         "Inspect the file to see what it is. If it is a checkpoint, convert it first.");
  }
  return run(onnx::read(input, context), input, siblings, options, context);
}

}  // namespace

std::vector<Concern> both_tensorrts(Severity severity) {
  return {tensorrt(severity), tensorrt_rtx(severity)};
}

namespace {

template <typename Condition>
std::vector<Concern> rows_where(Severity severity, Condition condition) {
  std::vector<Concern> concerns;
  for (const TargetRow& row : target_rows()) {
    if (condition(row)) concerns.push_back({row.target, severity});
  }
  return concerns;
}

}  // namespace

std::vector<Concern> vsmlrt(Severity severity) {
  return rows_where(severity, [](const TargetRow& row) { return row.name.starts_with("vsmlrt"); });
}

std::vector<Concern> players(Severity severity) {
  return rows_where(severity, [](const TargetRow& row) { return row.is_player; });
}

std::vector<Concern> everywhere(Severity severity) {
  return rows_where(severity, [](const TargetRow&) { return true; });
}

std::vector<Concern> both(std::vector<Concern> a, const std::vector<Concern>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

CheckReport run(const onnx::Model& file, const Input& input, const io::Siblings* siblings,
                const CheckOptions& options, const Context& context) {
  const std::vector<Asked> asked = asked_of(options);
  const Model model = make_model(file, input, siblings, context);
  CheckReport report;
  for (const std::span<const Rule> rules :
       {file_rules(), graph_rules(), operator_rules(), shape_rules(), type_rules(),
        quantization_rules(), weight_rules(), target_rules()}) {
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
  return name_in(names, severity);
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
