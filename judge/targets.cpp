// Sources. Opsets of TensorRT: docs/operators.md in each release of onnx-tensorrt. Opsets and IR
// versions of ONNX Runtime: the ONNX release that each of its versions was built with, and the
// table of released versions in ONNX's Versioning.md. Operators: ONNX's Operators.md;
// docs/operators.md and docs/Changelog.md of onnx-tensorrt.

#include "judge/targets.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/error.h"

namespace aether2onnx::judge {

namespace {

constexpr std::array kTargets = {
    TargetRow{CheckTarget::tensorrt, "tensorrt", true, since(version(8, 6))},
    TargetRow{CheckTarget::onnxruntime, "onnxruntime", true, since(version(1, 17))},
    TargetRow{CheckTarget::vsmlrt, "vsmlrt", false, all_versions()},
    TargetRow{CheckTarget::videojanai, "videojanai", false, all_versions()}};

// The newest number that programs read from this version on.
struct Row {
  std::int64_t newest;
  Version from;
};

constexpr std::array kTensorRtOpsets = {Row{17, version(8, 4)},   Row{19, version(9)},
                                        Row{20, version(10)},     Row{22, version(10, 6)},
                                        Row{24, version(10, 15)}, Row{25, version(11, 5)}};

constexpr std::array kOnnxRuntimeOpsets = {
    Row{15, version(1, 10)}, Row{17, version(1, 12)}, Row{18, version(1, 14)},
    Row{19, version(1, 15)}, Row{20, version(1, 17)}, Row{21, version(1, 18)},
    Row{22, version(1, 21)}, Row{23, version(1, 23)}, Row{24, version(1, 24)}};

constexpr std::array kOnnxRuntimeIrs = {Row{8, version(1, 12)}, Row{9, version(1, 15)},
                                        Row{10, version(1, 18)}, Row{11, version(1, 23)},
                                        Row{12, version(1, 24)}};

constexpr std::array kOperators = {
    OperatorRow{"LayerNormalization", 17, version(8, 6)},
    OperatorRow{"GroupNormalization", 18, version(8, 6)},
    OperatorRow{"Gelu", 20, version(10)},
    OperatorRow{"QLinearConv", 10, kNoEnd},
    OperatorRow{"QLinearMatMul", 10, kNoEnd},
    OperatorRow{"ConvInteger", 10, kNoEnd},
    OperatorRow{"MatMulInteger", 10, kNoEnd},
    OperatorRow{"DynamicQuantizeLinear", 11, kNoEnd},
};

// Versions before a table's first row are too old to matter.
Version first_that_reads(std::span<const Row> rows, std::int64_t number) {
  for (const Row& row : rows) {
    if (number <= row.newest) return &row == rows.data() ? kFirst : row.from;
  }
  return kNoEnd;
}

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
    // The fourth number counts builds and has more digits.
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

std::span<const TargetRow> targets() { return kTargets; }

const TargetRow& row_of(CheckTarget target) {
  return kTargets.at(static_cast<std::size_t>(target));
}

Version first_tensorrt_of_opset(std::int64_t opset) {
  return first_that_reads(kTensorRtOpsets, opset);
}
Version first_onnxruntime_of_opset(std::int64_t opset) {
  return first_that_reads(kOnnxRuntimeOpsets, opset);
}
Version first_onnxruntime_of_ir(std::int64_t ir) { return first_that_reads(kOnnxRuntimeIrs, ir); }

int newest_opset_of_tensorrt(Version version) {
  std::int64_t newest = kTensorRtOpsets.front().newest;
  for (const Row& row : kTensorRtOpsets) {
    if (version >= row.from) newest = row.newest;
  }
  return static_cast<int>(newest);
}

std::span<const OperatorRow> operators() { return kOperators; }

const OperatorRow& operator_row(std::string_view name) {
  const auto found = std::find_if(kOperators.begin(), kOperators.end(),
                                  [&](const OperatorRow& row) { return row.name == name; });
  require(found != kOperators.end(), "an operator that is not in the table");
  return *found;
}

}  // namespace aether2onnx::judge

namespace aether2onnx {

std::string_view to_string(CheckTarget target) noexcept { return judge::row_of(target).name; }

}  // namespace aether2onnx
