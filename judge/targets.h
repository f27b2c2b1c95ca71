/// @file
/// The tables of targets, which are the programs that run ONNX files: the names of each target, the
/// opsets that each version reads, and the options of convert that suit the target. The commands
/// check, convert and engine share these tables.
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

/// TensorRT can compute in bfloat16 from this version on.
inline constexpr Version kBfloat16 = version(9);
/// trtexec has the option --stronglyTyped from this version on.
inline constexpr Version kStrongTyping = version(9, 1);
/// From this version on, TensorRT takes all number types from the ONNX file, and trtexec does not
/// have the options --fp16, --bf16 and --int8.
inline constexpr Version kOnlyStrongTyping = version(11);

/// A range of versions: `from` and newer, but older than `below`.
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

/// Returns the range as text, for example "8.6 or newer, below 9.3"; "" for all versions.
std::string range_text(const Range& range);

/// Returns the numbers in the version `text`, {8, 6, 1} for "8.6.1"; an empty list if `text` is no
/// version. A version has one to four numbers; the first three have at most two digits each.
std::vector<int> version_parts(std::string_view text);

/// Returns the versions that `text` names: "8" is every 8.x, "8.6" is every 8.6.x, "8.6.1" is only
/// 8.6.1. Returns nullopt if `text` is no version.
std::optional<Range> parse_versions(std::string_view text);

/// A set of precisions: one bit for each precision.
using Precisions = std::uint32_t;
constexpr Precisions set_of(std::initializer_list<Precision> precisions) {
  Precisions set = 0;
  for (const Precision precision : precisions) set |= 1U << static_cast<unsigned>(precision);
  return set;
}
constexpr bool contains(Precisions set, Precision precision) {
  return (set & set_of({precision})) != 0;
}

/// What the command `engine` prints for a target.
enum class EngineRoute {
  none,          ///< Nothing: the target runs the ONNX file and needs no engine.
  trtexec,       ///< A command line of trtexec.
  provider,      ///< The options of ONNX Runtime's TensorRT provider.
  vsmlrt,        ///< A call of vsmlrt.py.
  tensorrt_rtx,  ///< A command line of tensorrt_rtx.
  own,           ///< Nothing: the target itself builds an engine from the ONNX file.
};

/// The value that a target prefers for an option, and the reason for this preference. `why` is a
/// sentence without a full stop, because messages continue after `why`.
template <typename Value>
struct Preferred {
  Value value{};
  std::string_view why = {};
};

/// A target: a program that runs ONNX files, and the options of convert that suit the program.
struct TargetRow {
  Target target = Target::tensorrt;
  std::string_view name;
  std::string_view title;
  std::string_view program;
  /// The target whose runtime (library that runs the model) this program uses, for example
  /// onnxruntime for chaiNNer. A rule about the runtime also applies to this program. If the
  /// program does not use the runtime of another target, this member equals `target`.
  Target runtime = Target::tensorrt;
  /// Whether users may name a version of the program, as in "tensorrt:8.6". Users may do so if the
  /// rules of the command check depend on this version.
  bool has_versions = false;
  /// The versions that the caller means by the target's name without a version. We assume that
  /// nobody uses older versions.
  Range current = all_versions();
  bool by_default = false;
  /// Whether the program gives the model one picture of 1 or 3 channels at a time, like a video
  /// player. Some rules of the command check apply only to these programs.
  bool is_player = false;
  EngineRoute engine = EngineRoute::none;

  // The options of convert that suit the target. A graph form is a choice of ONNX operators for the
  // normalization: standard or channels_first. The two members …_opset are upper limits of the
  // opset, one for each form. For old versions of the target, newest_opset() returns a lower opset.
  Precisions precisions = 0;
  Preferred<Precision> precision = {};
  Preferred<GraphForm> form = {};
  int standard_opset = kMaxOpset;        ///< Newest opset in graph form standard. 0: does not run.
  int channels_first_opset = kMaxOpset;  ///< Newest opset in form channels_first. 0: does not run.
  Preferred<bool> fp32_io = {};          ///< Whether the model's input and output must be float32.
  bool fixed_runs = true;                ///< Whether models with one fixed input size run.
  std::string_view why_dynamic = {};
  Preferred<Projections> projections = {};
  /// For 16-bit models: convert splits depthwise kernels that are wider than this number into
  /// smaller kernels, which run faster on the target. 0: convert splits no kernel.
  Preferred<int> split_kernels_over = {};
  /// For mixed_bf16, the precision that mixes bfloat16 and float32: whether depthwise convolutions
  /// compute in float32.
  Preferred<bool> float32_depthwise = {};
  /// The operators that are slow in float16 on the target, separated by commas. In float16 models,
  /// convert keeps these operators in float32.
  Preferred<std::string_view> slow_float16 = {};
  /// The operators for which the target has no bfloat16 kernel, separated by commas.
  Preferred<std::string_view> no_bfloat16 = {};

  std::string_view source = {};
};
std::span<const TargetRow> target_rows();
const TargetRow& row_of(Target target);

/// A target (program that runs ONNX files) that the caller requested, with the requested versions.
struct Asked {
  const TargetRow* row = nullptr;
  Range versions;
  std::string text;  ///< The target as users write it, "tensorrt:8.6".
  bool has_version = false;
};
/// Returns the targets in `wanted` with their versions. Replaces vsmlrt-any by the five plugins of
/// vs-mlrt. Throws Error(usage) if a version is malformed or does not belong to its target.
std::vector<Asked> asked_targets(const std::vector<TargetVersion>& wanted);

/// Returns the newest opset that the oldest requested version of the target reads. `form` is the
/// choice of the ONNX operators that compute the model's normalization. Returns 0 if the target
/// does not run models with these operators.
int newest_opset(const Asked& asked, GraphForm form);

/// Returns the first version of TensorRT that reads files of this opset. Returns kFirst if even the
/// oldest version in our table reads the opset, kNoEnd if no known version does.
Version first_tensorrt_of_opset(std::int64_t opset);
/// Returns the first version of ONNX Runtime that reads files of this opset. Returns kFirst if even
/// the oldest version in our table reads the opset, kNoEnd if no known version does.
Version first_onnxruntime_of_opset(std::int64_t opset);
/// Returns the first version of ONNX Runtime that reads files of this IR version. Returns kFirst if
/// even the oldest version in our table reads the IR version, kNoEnd if no known version does.
Version first_onnxruntime_of_ir(std::int64_t ir);
/// Returns the newest opset that this version of TensorRT reads.
int newest_opset_of_tensorrt(Version version);

/// An operator of ONNX that some opsets do not have and some versions of TensorRT do not import.
struct OperatorRow {
  std::string_view name;
  std::int64_t opset;  ///< The first opset with this operator.
  Version tensorrt;    ///< The first TensorRT that imports the operator; kNoEnd if no version does.
};
std::span<const OperatorRow> operators();
const OperatorRow& operator_row(std::string_view name);

}  // namespace aether2onnx::judge
