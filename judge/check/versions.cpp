// Sources. Opsets of TensorRT: docs/operators.md in each release of onnx-tensorrt. Opsets and IR
// versions of ONNX Runtime: the ONNX release that each version of it was built with, and the table
// of released versions in ONNX's Versioning.md.

#include "judge/check/versions.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

namespace aether2onnx::checks {

namespace {

// The newest of the numbers that programs of this version take.
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

template <std::size_t size>
Version first_that_takes(const std::array<Row, size>& rows, std::int64_t number) {
  for (const Row& row : rows) {
    // What is older than the table's first row is too old to matter.
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
  const bool open_below = range.from == kFirst;
  const bool open_above = range.below == kNoEnd;
  if (open_below && open_above) return "";
  if (open_below) return "below " + version_text(range.below);
  if (open_above) return version_text(range.from) + " or newer";
  return fmt::format("{} up to, but without, {}", version_text(range.from),
                     version_text(range.below));
}

std::optional<Range> parse_versions(std::string_view text) {
  std::array<std::int64_t, 3> parts{};
  std::size_t count = 0;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    if (count == parts.size()) return std::nullopt;
    const auto result = std::from_chars(at, end, parts[count]);
    if (result.ec != std::errc{} || parts[count] < 0 || parts[count] > 99 || *at == '-') {
      return std::nullopt;
    }
    ++count;
    if (result.ptr == end) break;
    if (*result.ptr != '.' || result.ptr + 1 == end) return std::nullopt;
    at = result.ptr + 1;
  }
  const Version from = version(parts[0], parts[1], parts[2]);
  constexpr std::array<Version, 3> widths = {10000, 100, 1};
  return Range{from, from + widths[count - 1]};
}

bool has_versions(CheckTarget target) {
  return target == CheckTarget::tensorrt || target == CheckTarget::onnxruntime;
}

Range current_versions(CheckTarget target) {
  if (target == CheckTarget::tensorrt) return since(version(8, 6));
  if (target == CheckTarget::onnxruntime) return since(version(1, 17));
  return all_versions();
}

Version first_tensorrt_of_opset(std::int64_t opset) {
  return first_that_takes(kTensorRtOpsets, opset);
}
Version first_onnxruntime_of_opset(std::int64_t opset) {
  return first_that_takes(kOnnxRuntimeOpsets, opset);
}
Version first_onnxruntime_of_ir(std::int64_t ir) { return first_that_takes(kOnnxRuntimeIrs, ir); }

}  // namespace aether2onnx::checks
