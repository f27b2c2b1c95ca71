/// @file
/// Versions of the programs that run ONNX files, and ranges of them. Private to this stage.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <optional>
#include <string>
#include <string_view>

namespace aether2onnx::checks {

/// A version as one number, 8.6.1 as 80601.
using Version = std::int64_t;
inline constexpr Version kFirst = 0;
inline constexpr Version kNoEnd = 1'000'000'000;

constexpr Version version(std::int64_t major, std::int64_t minor = 0, std::int64_t patch = 0) {
  return (major * 100 + minor) * 100 + patch;
}

/// The versions from `from` on, up to but without `below`.
struct Range {
  Version from = kFirst;
  Version below = kNoEnd;

  bool meets(const Range& other) const { return from < other.below && other.from < below; }
  bool contains(const Range& other) const { return from <= other.from && other.below <= below; }
};

constexpr Range all_versions() { return {}; }
constexpr Range since(Version from) { return {from, kNoEnd}; }
constexpr Range before(Version below) { return {kFirst, below}; }
constexpr Range between(Version from, Version below) { return {from, below}; }

/// "8.6 to 9.2", "below 8.6", "11.0 or newer"; "" for all versions.
std::string range_text(const Range& range);

/// The versions that a text names: "8" is 8.0 up to 9.0, "8.6" up to 8.7, "8.6.1" that one alone.
/// Nothing where it is no version.
std::optional<Range> parse_versions(std::string_view text);

/// The versions that are meant where none is named; those before are no longer in use.
Range current_versions(CheckTarget target);

/// Whether the target is told by version.
bool has_versions(CheckTarget target);

/// The first version of TensorRT's parser, or of ONNX Runtime, that takes a model of this opset;
/// kNoEnd where none does that is known.
Version first_tensorrt_of_opset(std::int64_t opset);
Version first_onnxruntime_of_opset(std::int64_t opset);
/// The first version of ONNX Runtime that takes a file of this IR version.
Version first_onnxruntime_of_ir(std::int64_t ir);

}  // namespace aether2onnx::checks
