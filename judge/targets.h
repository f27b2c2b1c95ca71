/// @file
/// The programs that run ONNX files: their names, which version reads what, and which conversion
/// suits them. The folders check and engine share these tables.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace aether2onnx::judge {

/// A version as one number: 8.6.1 is 80601.
using Version = std::int64_t;
inline constexpr Version kFirst = 0;
inline constexpr Version kNoEnd = 1'000'000'000;

constexpr Version version(std::int64_t major, std::int64_t minor = 0, std::int64_t patch = 0) {
  return (major * 100 + minor) * 100 + patch;
}
constexpr Version number_of(const TensorRtVersion& version) {
  return judge::version(version.major, version.minor, version.patch);
}

/// TensorRT computes in bfloat16 from this version on.
inline constexpr Version kBfloat16 = version(9);
/// trtexec has --stronglyTyped from this version on.
inline constexpr Version kStrongTyping = version(9, 1);
/// From this version on TensorRT takes every type from the file: --fp16, --bf16, --int8 are gone.
inline constexpr Version kOnlyStrongTyping = version(11);

/// The versions from `from` on and below `below`.
struct Range {
  Version from = kFirst;
  Version below = kNoEnd;

  bool meets(const Range& other) const { return from < other.below && other.from < below; }
  bool contains(const Range& other) const { return from <= other.from && other.below <= below; }
  bool contains(Version version) const { return from <= version && version < below; }
};

constexpr Range all_versions() { return {}; }
constexpr Range since(Version from) { return {from, kNoEnd}; }
constexpr Range before(Version below) { return {kFirst, below}; }
constexpr Range between(Version from, Version below) { return {from, below}; }

/// "below 8.6", "11.0 or newer", "8.6 or newer, below 9.3"; "" for all versions.
std::string range_text(const Range& range);

/// The numbers between the dots of a version, at most four; the first three have at most two
/// digits. Empty if `text` is no version.
std::vector<int> version_parts(std::string_view text);

/// The versions that a text names: "8" is 8.0 up to 9.0, "8.6" up to 8.7, "8.6.1" only itself.
/// Returns nullopt if `text` is no version.
std::optional<Range> parse_versions(std::string_view text);

/// A set of precisions, one bit each.
using Precisions = std::uint32_t;
constexpr Precisions set_of(std::initializer_list<Precision> precisions) {
  Precisions set = 0;
  for (const Precision precision : precisions) set |= 1U << static_cast<unsigned>(precision);
  return set;
}
constexpr bool contains(Precisions set, Precision precision) {
  return (set & set_of({precision})) != 0;
}

/// How the command `engine` helps with a target.
enum class EngineRoute {
  none,          ///< The program reads the ONNX file itself.
  trtexec,       ///< A command line of trtexec.
  provider,      ///< The options of ONNX Runtime's TensorRT provider.
  vsmlrt,        ///< A call of vsmlrt.py.
  tensorrt_rtx,  ///< A command line of tensorrt_rtx.
  own,           ///< The program builds an engine of the ONNX file itself.
};

/// A value, and why a target prefers it. The reason is a sentence without a full stop.
template <typename Value>
struct Preferred {
  Value value{};
  std::string_view why = {};
};

/// A program that runs ONNX files.
struct TargetRow {
  Target target = Target::tensorrt;
  std::string_view name;
  std::string_view title;
  std::string_view program;
  /// The target whose rules hold here as well: the runtime inside the program. Itself if none.
  Target runtime = Target::tensorrt;
  /// Whether rules depend on the program's version.
  bool has_versions = false;
  /// The versions that are checked if the caller names none. Older versions are out of use.
  Range current = all_versions();
  bool by_default = false;
  /// Whether the program gives the model one picture of 1 or 3 channels at a time.
  bool is_player = false;
  EngineRoute engine = EngineRoute::none;

  // What convert needs to know.
  Precisions precisions = 0;
  Preferred<Precision> precision = {};
  Preferred<GraphForm> form = {};
  int standard_opset = kMaxOpset;        ///< The newest opset of each form that runs.
  int channels_first_opset = kMaxOpset;  ///< Versions may lower both, see newest_opset().
  Preferred<bool> fp32_io = {};          ///< Whether input and output must be float32.
  bool fixed_runs = true;                ///< Whether a model of one size runs.
  std::string_view why_dynamic = {};
  Preferred<Projections> projections = {};
  /// For fp16 and bf16. 0: kernels stay whole.
  Preferred<int> split_kernels_over = {};
  /// For mixed_bf16: whether depthwise convolutions are float32.
  Preferred<bool> float32_depthwise = {};
  /// Operators without a kernel for bfloat16, with commas between.
  Preferred<std::string_view> no_bfloat16 = {};

  std::string_view source = {};
};
std::span<const TargetRow> target_rows();
const TargetRow& row_of(Target target);

/// A requested target, with its versions as a range.
struct Asked {
  const TargetRow* row = nullptr;
  Range versions;
  std::string text;  ///< As in to_string(TargetVersion).
  bool has_version = false;
};
/// The requested targets. vsmlrt-any becomes the plugins that it stands for.
/// Throws Error(usage) if a version is none.
std::vector<Asked> asked_targets(const std::vector<TargetVersion>& wanted);

/// The newest opset that the oldest requested version reads, in this form.
int newest_opset(const Asked& asked, GraphForm form);

/// The first version of TensorRT's parser, or of ONNX Runtime, that reads this opset; kNoEnd if no
/// known version does.
Version first_tensorrt_of_opset(std::int64_t opset);
Version first_onnxruntime_of_opset(std::int64_t opset);
/// The first version of ONNX Runtime that reads files of this IR version.
Version first_onnxruntime_of_ir(std::int64_t ir);
/// The newest opset that this version of TensorRT reads.
int newest_opset_of_tensorrt(Version version);

/// An operator that not every opset and not every TensorRT has.
struct OperatorRow {
  std::string_view name;
  std::int64_t opset;  ///< The first opset with this operator.
  Version tensorrt;    ///< The first TensorRT that imports the operator; kNoEnd if none does.
};
std::span<const OperatorRow> operators();
const OperatorRow& operator_row(std::string_view name);

}  // namespace aether2onnx::judge
