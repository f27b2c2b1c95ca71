// Targets are the programs that run ONNX files. Reads targets and versions from text that users
// typed (for example "tensorrt:8.6"), and writes targets and versions as text.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/error.h"
#include "base/text.h"
#include "judge/targets.h"

namespace aether2onnx::judge {

namespace {

std::string version_text(Version number) {
  const std::int64_t patch = number % 100;
  std::string text = fmt::format("{}.{}", number / 10000, number / 100 % 100);
  if (patch != 0) text += fmt::format(".{}", patch);
  return text;
}

}  // namespace

std::string range_text(const Range& range) {
  std::string text;
  if (range.from != kFirst) text = version_text(range.from) + " or newer";
  if (range.below == kNoEnd) return text;
  return fmt::format("{}{}below {}", text, text.empty() ? "" : ", ", version_text(range.below));
}

std::vector<int> version_parts(std::string_view text) {
  constexpr std::size_t most = 4;
  std::vector<int> parts;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (parts.size() < most) {
    int number = 0;
    const auto result = std::from_chars(at, end, number);
    // A version has up to four numbers. The first three have at most two digits. The fourth, the
    // build number, may have more digits.
    const bool fits = parts.size() + 1 == most || number < 100;
    if (result.ec != std::errc{} || *at == '-' || !fits) return {};
    parts.push_back(number);
    if (result.ptr == end) return parts;
    if (*result.ptr != '.') return {};
    at = result.ptr + 1;
  }
  return {};
}

std::optional<Range> parse_versions(std::string_view text) {
  const std::vector<int> parts = version_parts(text);
  constexpr std::array<Version, 3> widths = {10000, 100, 1};
  if (parts.empty() || parts.size() > widths.size()) return std::nullopt;
  Version from = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) from += parts[i] * widths.at(i);
  return Range{from, from + widths.at(parts.size() - 1)};
}

namespace {

// Returns the names of all targets for which users may give a version, as one text: "tensorrt, …,
// onnxruntime and onnxruntime-cuda".
std::string names_with_versions() {
  std::vector<std::string> names;
  for (const TargetRow& row : target_rows()) {
    if (row.has_versions) names.emplace_back(row.name);
  }
  const std::string last = names.back();
  names.pop_back();
  return join(names, ", ") + " and " + last;
}

Range versions_of(const TargetRow& row, const TargetVersion& wanted) {
  if (wanted.version.empty()) return row.current;
  const auto versions = parse_versions(wanted.version);
  if (!versions || !row.has_versions) {
    fail(
        {ErrorKind::usage, "option-version", "for", "10, 8.6 or 8.6.1", wanted.version},
        "{} {}:{}: the version must look like 10, 8.6 or 8.6.1. Only the targets {} have versions.",
        option("for"), row.name, printable(wanted.version, 40), names_with_versions());
  }
  // TensorRT for RTX has the versions 1.x. The versions of TensorRT begin at 4. So the version
  // shows which of these two targets the user means. Example: for "tensorrt:1.7", the error
  // recommends "tensorrt-rtx:1.7".
  constexpr Version first = version(4);
  const bool is_rtx = versions->below <= first;
  const Target meant = is_rtx ? Target::tensorrt_rtx : Target::tensorrt;
  const bool has_both = row.target == Target::tensorrt || row.target == Target::tensorrt_rtx;
  if (has_both && row.target != meant) {
    fail({ErrorKind::usage, "option-version", "for", std::string(row_of(meant).name),
          wanted.version},
         "{0} {1}:{2}: {2} is a version of {3}.\nWrite {4}:{2}.", option("for"), row.name,
         wanted.version, row_of(meant).title, row_of(meant).name);
  }
  if (row.target == Target::tensorrt_rtx && versions->below <= row.current.from) {
    fail({ErrorKind::usage, "option-version", "for", "1.5 or newer", wanted.version},
         "{} {}:{}: the oldest supported version is 1.5.", option("for"), row.name, wanted.version);
  }
  return *versions;
}

}  // namespace

std::vector<Asked> asked_targets(const std::vector<TargetVersion>& wanted) {
  std::vector<Asked> asked;
  for (const TargetVersion& each : wanted) {
    const TargetRow& row = row_of(each.target);
    const Range versions = versions_of(row, each);
    if (each.target != Target::vsmlrt_any) {
      asked.push_back({&row, versions, to_string(each), !each.version.empty()});
      continue;
    }
    for (const Target plugin : {Target::vsmlrt, Target::vsmlrt_rtx, Target::vsmlrt_ort,
                                Target::vsmlrt_ov, Target::vsmlrt_ncnn}) {
      const TargetRow& part = row_of(plugin);
      asked.push_back({&part, part.current, std::string(part.name), false});
    }
  }
  return asked;
}

}  // namespace aether2onnx::judge

namespace aether2onnx {

std::string_view to_string(Target target) noexcept { return judge::row_of(target).name; }

std::string to_string(const TargetVersion& target) {
  const std::string_view name = to_string(target.target);
  return target.version.empty() ? std::string(name) : fmt::format("{}:{}", name, target.version);
}

std::vector<TargetInfo> targets() {
  std::vector<TargetInfo> infos;
  for (const judge::TargetRow& row : judge::target_rows()) {
    TargetInfo info{row.target,       row.name, row.title,      row.program,
                    row.has_versions, "",       row.by_default, {row.precision.value},
                    row.source};
    if (row.has_versions) info.versions = judge::range_text(row.current);
    for (const Precision precision : {Precision::fp32, Precision::fp16, Precision::bf16,
                                      Precision::mixed_fp16, Precision::mixed_bf16}) {
      if (precision != row.precision.value && judge::contains(row.precisions, precision)) {
        info.precisions.push_back(precision);
      }
    }
    infos.push_back(std::move(info));
  }
  return infos;
}

namespace {

constexpr std::string_view kTrtexec = "trtexec";  // another name of the target tensorrt

// Throws Error(usage): no target (program that runs ONNX files) has this name. The message lists
// the most similar names.
[[noreturn]] void fail_unknown(std::string_view name) {
  std::vector<std::string> names;
  for (const judge::TargetRow& row : judge::target_rows()) names.emplace_back(row.name);
  const std::string all = join(names, ", ");
  constexpr std::size_t longest = 60;  // no suggestions for longer texts
  if (name.size() > longest) names.clear();
  std::stable_sort(names.begin(), names.end(), [&](const std::string& a, const std::string& b) {
    return edit_distance(a, name) < edit_distance(b, name);
  });
  constexpr std::size_t close = 4;
  std::erase_if(names, [&](const std::string& known) {
    return edit_distance(known, name) > close && !known.starts_with(name);
  });
  constexpr std::size_t most = 3;
  names.resize(std::min(names.size(), most));
  const std::string hint =
      names.empty() ? "" : fmt::format(" The nearest names: {}.", join(names, ", "));
  fail({ErrorKind::usage, "option-choice", "for", all, std::string(name)},
       "{} {}: there is no such target.{}\nThe targets are {}.", option("for"), printable(name, 80),
       hint, all);
}

}  // namespace

TargetVersion parse_target(std::string_view text) {
  const std::size_t colon = text.find(':');
  std::string name(text.substr(0, colon));
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '_') c = '-';
  }
  TargetVersion target;
  const auto rows = judge::target_rows();
  const auto row = std::find_if(rows.begin(), rows.end(),
                                [&](const judge::TargetRow& each) { return each.name == name; });
  if (row == rows.end() && name != kTrtexec) fail_unknown(text.substr(0, colon));
  if (row != rows.end()) target.target = row->target;
  if (colon == std::string_view::npos) return target;
  target.version = text.substr(colon + 1);
  if (target.version.empty()) {
    fail({ErrorKind::usage, "option-version", "for", "a version"},
         "{} {}: the version after ':' is missing.", option("for"), printable(text, 80));
  }
  judge::asked_targets({target});
  return target;
}

}  // namespace aether2onnx
