/// @file
/// Targets (the programs that run ONNX files), and the conversion options that suit each target.
///
/// Members of type string_view refer to string literals. A result owns all its other data. All
/// functions may be called from several threads at once.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <aether2onnx/api.h>
#include <aether2onnx/convert.h>

namespace aether2onnx {

/// A program that runs ONNX files. docs/targets.md describes each target.
enum class Target {
  tensorrt,          ///< NVIDIA TensorRT: trtexec and its ONNX parser.
  tensorrt_rtx,      ///< NVIDIA TensorRT for RTX, 1.5 or newer.
  onnxruntime,       ///< ONNX Runtime, with any execution provider.
  onnxruntime_cuda,  ///< ONNX Runtime with its CUDA provider.
  directml,          ///< ONNX Runtime with its DirectML provider.
  openvino,          ///< Intel OpenVINO.
  ncnn,              ///< Tencent ncnn, with pnnx as the converter.
  web,               ///< onnxruntime-web in a browser.
  vsmlrt,            ///< vs-mlrt's TensorRT plugin for VapourSynth.
  vsmlrt_rtx,        ///< vs-mlrt's plugin for TensorRT for RTX.
  vsmlrt_ort,        ///< vs-mlrt's ONNX Runtime plugin.
  vsmlrt_ov,         ///< vs-mlrt's OpenVINO plugin.
  vsmlrt_ncnn,       ///< vs-mlrt's ncnn plugin.
  vsmlrt_any,        ///< All five plugins of vs-mlrt above.
  videojanai,        ///< The player VideoJaNai.
  comfyui,           ///< ComfyUI's TensorRT upscaler nodes.
  chainner,          ///< chaiNNer.
};

/// Returns the target's name, for example "tensorrt-rtx".
AETHER2ONNX_API std::string_view to_string(Target target) noexcept;

/// A target (a program that runs ONNX files), and the versions of this program that will run the
/// file.
struct TargetVersion {
  Target target = Target::tensorrt;
  /// The version: "8.6.1", "8.6" (any 8.6) or "10" (any 10). If empty, all versions in
  /// TargetInfo::versions are meant. Must be empty if TargetInfo::has_versions is false.
  std::string version;
};

/// Returns "tensorrt-rtx" or "tensorrt:10.3".
AETHER2ONNX_API std::string to_string(const TargetVersion& target);

/// Reads a target (a program that runs ONNX files), with or without a version: "tensorrt:10.3" or
/// "tensorrt-rtx". "trtexec" is another name of tensorrt. Throws Error(usage) if the target is
/// unknown or the version is invalid. For an unknown target, the error lists similar names.
AETHER2ONNX_API TargetVersion parse_target(std::string_view text);

/// Describes one target (a program that runs ONNX files). targets() returns all descriptions.
struct TargetInfo {
  Target target = Target::tensorrt;
  std::string_view name;     ///< The name that to_string() returns.
  std::string_view title;    ///< The name in sentences, "TensorRT for RTX".
  std::string_view program;  ///< What kind of program this is, in a few words.
  bool has_versions = false;
  std::string versions;     ///< Meant by an empty TargetVersion::version: "8.6 or newer".
  bool by_default = false;  ///< Whether check() uses this target if the caller names none.
  std::vector<Precision> precisions;  ///< The precisions that the target runs, the best first.
  std::string_view source;            ///< Where the data about this target is from.
};
AETHER2ONNX_API std::vector<TargetInfo> targets();

/// The options that the caller has set. choose_for() does not change these options. The optional
/// members of ConvertOptions need no flag here: if the optional has a value, the caller has set the
/// option.
struct OptionsSet {
  bool shape = false;
  bool precision = false;
  bool graph_form = false;
  bool projections = false;
};

/// The conversion options that choose_for() chose for the targets (the programs that will run the
/// file), and the reasons.
struct TargetChoice {
  struct Setting {
    std::string option;  ///< "fp_mode", as in {option:fp_mode}.
    std::string value;   ///< "mixed_fp16".
    std::string why;     ///< One sentence without a full stop.
  };
  ConvertOptions options;
  /// Each option that choose_for() set for a target, in the order of the text of --help.
  std::vector<Setting> settings;
  /// Each line names an option for which the caller set a value that does not suit a target
  /// (program). choose_for() keeps the caller's value. The lines contain options as {option:NAME};
  /// spell_options() replaces this form by the caller's way to write options.
  std::vector<std::string> clashes;
  /// One line for each problem that some releases of a target may have with the file. A line names
  /// the option that helps, or the release that the file needs.
  std::vector<std::string> notes;
};

/// Returns `options` with the unset options chosen for `targets`. Each target prefers one value of
/// an option. choose_for() tries these values in the order of `targets`, and takes the first value
/// that all targets accept. If `targets` is empty, no option changes.
///
/// Throws Error(usage) if a target lacks the precision that the caller set, if no value of an
/// option suits all targets, or if a version is invalid. The error names the targets.
AETHER2ONNX_API TargetChoice choose_for(const std::vector<TargetVersion>& targets,
                                        const ConvertOptions& options, const OptionsSet& set = {});

}  // namespace aether2onnx
