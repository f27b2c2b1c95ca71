/// @file
/// Targets: the programs that run ONNX files, and the conversion that suits each of them.
///
/// All names are string literals. Results own all that they contain. All functions may be called
/// from several threads at once.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <aether2onnx/api.h>
#include <aether2onnx/convert.h>

namespace aether2onnx {

/// A program that runs ONNX files. docs/targets.md describes each.
enum class Target {
  tensorrt,          ///< NVIDIA TensorRT: trtexec and its ONNX parser.
  tensorrt_rtx,      ///< NVIDIA TensorRT for RTX, 1.5 or newer.
  onnxruntime,       ///< ONNX Runtime, with any execution provider.
  onnxruntime_cuda,  ///< ONNX Runtime with its CUDA provider.
  directml,          ///< ONNX Runtime with its DirectML provider.
  openvino,          ///< Intel OpenVINO.
  ncnn,              ///< Tencent ncnn, by way of pnnx.
  web,               ///< onnxruntime-web in a browser.
  vsmlrt,            ///< vs-mlrt's TensorRT plugin for VapourSynth.
  vsmlrt_rtx,        ///< vs-mlrt's plugin for TensorRT for RTX.
  vsmlrt_ort,        ///< vs-mlrt's ONNX Runtime plugin.
  vsmlrt_ov,         ///< vs-mlrt's OpenVINO plugin.
  vsmlrt_ncnn,       ///< vs-mlrt's ncnn plugin.
  vsmlrt_any,        ///< All plugins of vs-mlrt: stands for the five above.
  videojanai,        ///< The player VideoJaNai.
  comfyui,           ///< ComfyUI's TensorRT upscaler nodes.
  chainner,          ///< chaiNNer.
};

/// "tensorrt-rtx".
AETHER2ONNX_API std::string_view to_string(Target target) noexcept;

/// A target and the versions of it that count.
struct TargetVersion {
  Target target = Target::tensorrt;
  /// "8.6.1", "8.6" (any 8.6) or "10" (any 10). Only targets with TargetInfo::has_versions take a
  /// version. Empty: the versions in use, see TargetInfo::versions.
  std::string version;
};

/// "tensorrt-rtx" or "tensorrt:10.3".
AETHER2ONNX_API std::string to_string(const TargetVersion& target);

/// Reads "tensorrt-rtx" or "tensorrt:10.3". "trtexec" is another name of tensorrt.
/// Throws Error(usage) with the nearest names if the target is unknown, or if the version is none.
AETHER2ONNX_API TargetVersion parse_target(std::string_view text);

/// A line of the table of targets.
struct TargetInfo {
  Target target = Target::tensorrt;
  std::string_view name;     ///< As in to_string().
  std::string_view title;    ///< "TensorRT for RTX", for sentences.
  std::string_view program;  ///< What it is, in a few words.
  bool has_versions = false;
  std::string versions;     ///< The versions that count without a version: "8.6 or newer".
  bool by_default = false;  ///< Whether check() looks at this target if none is named.
  std::vector<Precision> precisions;  ///< Those that it runs. The first one is preferred.
  std::string_view source;            ///< Where the facts are from.
};
AETHER2ONNX_API std::vector<TargetInfo> targets();

/// Which options the caller has set on purpose. choose_for() leaves these as they are. The optional
/// members of ConvertOptions need no flag: a member with a value counts as set.
struct OptionsSet {
  bool shape = false;
  bool precision = false;
  bool graph_form = false;
  bool projections = false;
};

/// Options for certain targets, and the reasons.
struct TargetChoice {
  struct Setting {
    std::string option;  ///< "fp_mode", as in {option:fp_mode}.
    std::string value;   ///< "mixed_fp16".
    std::string why;     ///< One sentence without a full stop.
  };
  ConvertOptions options;
  /// Each option that the targets changed or chose, in the order of the help.
  std::vector<Setting> settings;
  /// Options of the caller that do not suit a target, one line each. The caller's option counts.
  /// Options are written {option:NAME}; see spell_options().
  std::vector<std::string> clashes;
  /// Further options that may help with a target, one line each.
  std::vector<std::string> notes;
};

/// Completes `options` for `targets`. If there are several, each option gets the value that the
/// first target prefers and all others accept. An empty list changes nothing.
///
/// Throws Error(usage) if a target lacks the precision that the caller set, if no value of an
/// option suits all targets, or if a version is none. The error names the targets.
AETHER2ONNX_API TargetChoice choose_for(const std::vector<TargetVersion>& targets,
                                        const ConvertOptions& options, const OptionsSet& set = {});

}  // namespace aether2onnx
