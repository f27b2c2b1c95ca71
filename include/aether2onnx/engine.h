/// @file
/// TensorRT, ONNX Runtime and players: from an ONNX file to an engine.
///
/// The functions only read files and return texts; they start no program. Results own all that they
/// contain. All functions may be called from several threads at once. An option in a note is
/// written {option:NAME}; see spell_options().
#pragma once

#include <compare>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <aether2onnx/convert.h>

namespace aether2onnx {

/// A version of TensorRT. A missing part means the newest release: {10} is "any release of TensorRT
/// 10" and comes after {10, 3, 0}.
struct TensorRtVersion {
  static constexpr int kNewest = 99;
  int major = 10;
  int minor = kNewest;
  int patch = kNewest;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 takes the comparison's 0 for a pointer
  friend constexpr auto operator<=>(const TensorRtVersion&, const TensorRtVersion&) = default;
};

/// "10.3.0"; "10.3" or "10" if the other parts are missing.
AETHER2ONNX_API std::string to_string(const TensorRtVersion& version);

/// Reads "8.6", "10" or "10.3.0", and ignores a fourth number, as in "10.3.0.26". Throws
/// Error(usage) if `text` is no version, or is older than 8.4, the oldest supported version.
AETHER2ONNX_API TensorRtVersion parse_tensorrt_version(std::string_view text);

/// The same for TensorRT for RTX: "1.7" or "1.7.1". Throws Error(usage) if `text` is no version of
/// it, or is older than 1.5, the oldest supported version.
AETHER2ONNX_API TensorRtVersion parse_tensorrt_rtx_version(std::string_view text);

/// "any release of TensorRT for RTX 1".
AETHER2ONNX_API TensorRtVersion newest_tensorrt_rtx() noexcept;

/// Reads a compute capability, "8.9" or "89", as 89. Throws Error(usage) if TensorRT for RTX does
/// not build for such GPUs: it builds for 7.5 and newer, except for 9.x (Hopper).
AETHER2ONNX_API int parse_compute_capability(std::string_view text);

/// The version in trtexec's first line of output: "[TensorRT v8601]" is 8.6.1, "[TensorRT v100300]"
/// is 10.3.0. Returns nullopt if the text contains no version.
/// Source: the macros of NvInferVersion.h. The major version counts in thousands up to 9, in ten
/// thousands from 10 on.
AETHER2ONNX_API std::optional<TensorRtVersion> tensorrt_version_in(std::string_view printed);

/// An ONNX file with one input (N, C, H, W), from any exporter, as runtimes need to know the file.
struct EngineModel {
  std::filesystem::path path;  ///< As written into commands.
  std::string input_name;
  std::string input_dtype;   ///< "float32", "float16" or "bfloat16".
  std::string output_dtype;  ///< Of the first output.
  std::int64_t channels = 0;
  /// The input's shape. A dynamic axis has the range for TensorRT. If `profile_problem` is not
  /// empty, the range is that of InputShape::dynamic_defaults().
  InputShape shape;
  /// Why a dynamic model has no profile: its metadata contain none, or one that does not fit the
  /// input. To build an engine, set the ranges in `shape` and clear this text.
  std::string profile_problem;
  int opset_version = 0;
  /// The graph's types besides float32. A file with one of these types is typed: the file itself
  /// states the precision of every operator.
  bool has_float16 = false;
  bool has_bfloat16 = false;
  bool has_float8 = false;
  bool is_quantized = false;  ///< The graph has QuantizeLinear or DequantizeLinear.
  /// Why TensorRT refuses the quantization: "the zero point of 'q' is not 0". Empty if it does not.
  std::string quantization_problem;
  bool has_layer_normalization = false;
  /// The graph has a normalization in simpler operators, whose squares may exceed float16's range.
  bool has_decomposed_normalization = false;
  /// The files with weights, by their names in the ONNX file. They must be beside the ONNX file.
  std::vector<std::string> external_files;
};

/// Reads the description of an ONNX file, without the weights. Nothing in the file is trusted.
///
/// Throws Error(io) if the file cannot be read or its external data are not beside it;
/// Error(unsupported) if the file is no ONNX file, or does not have one input (N, C, H, W) of a
/// floating-point type with a fixed C; Error(malformed, limit) if the file is damaged.
AETHER2ONNX_API EngineModel read_engine_model(const std::filesystem::path& path,
                                              const Context& context = {});

/// The same for a model that convert_file() or plan_file() has reported.
AETHER2ONNX_API EngineModel engine_model(const ConvertReport& report);

/// The precision of the engine.
enum class EnginePrecision {
  as_model,  ///< The types of the file.
  fp16,      ///< TensorRT may use float16 for any layer of a float32 model. Up to TensorRT 10.
  bf16,      ///< The same with bfloat16. TensorRT 9 and 10.
};

/// "as_model", "fp16" or "bf16".
AETHER2ONNX_API std::string_view to_string(EnginePrecision precision) noexcept;

/// How to build the engine.
struct EngineOptions {
  TensorRtVersion version;
  EnginePrecision precision = EnginePrecision::as_model;
  /// The engine's file. Empty: default_engine_name() beside the model.
  std::filesystem::path engine;
  /// Memory for layers while they run, in MiB (1,048,576 bytes), 1 to 16,777,216. Unset: all memory
  /// of the GPU.
  std::optional<std::int64_t> workspace;
  /// The file in which TensorRT keeps its measurements for later builds. TensorRT creates a missing
  /// file. Empty: no file.
  std::filesystem::path timing_cache;
  /// How long to search for fast kernels, 0 to 5. TensorRT's default is 3. Needs TensorRT 8.6 or
  /// newer.
  std::optional<std::int64_t> builder_optimization_level;
  /// The GPU's number in CUDA, 0 to 1023. Unset: the first GPU.
  std::optional<std::int64_t> device;
  /// TensorRT for RTX only: the compute capabilities that the engine is for, 89 for 8.9. Empty: its
  /// default, 8.0, 8.6, 8.9, 12.0 and newer.
  std::vector<int> compute_capabilities;
};

/// How to build an engine with NVIDIA's trtexec.
struct EngineCommand {
  /// The arguments without the program's name, not quoted for any shell.
  std::vector<std::string> arguments;
  std::filesystem::path engine;
  /// One line for each thing that the user should know.
  std::vector<std::string> notes;
};

/// `{stem}[_{precision}]_trt{version}_{shapes}.engine`, for example
/// "2x_net_fp16_op17_trt10.3_1x3x64x64.engine". For a dynamic model the name has the smallest and
/// the largest shape, "…_1x3x32x32-4x3x256x256.engine". The name has a precision only if it is not
/// the model's own.
AETHER2ONNX_API std::string default_engine_name(const EngineModel& model,
                                                const EngineOptions& options);

/// The arguments that this model needs, for this version of trtexec.
///
/// Throws Error(usage) if an option is out of range or contradicts the model; Error(unsupported) if
/// this version cannot build the model. The error names a version or option that can.
AETHER2ONNX_API EngineCommand trtexec_command(const EngineModel& model,
                                              const EngineOptions& options);

/// How to build an engine with NVIDIA's tensorrt_rtx, the program of TensorRT for RTX. The engine
/// is called `{stem}_rtx{version}_{shapes}.engine`. EngineOptions::version is that of TensorRT for
/// RTX, see newest_tensorrt_rtx(). `device` builds on this GPU; else no GPU is needed.
///
/// Throws as trtexec_command() does, also if the model's types do not run on a requested compute
/// capability.
AETHER2ONNX_API EngineCommand tensorrt_rtx_command(const EngineModel& model,
                                                   const EngineOptions& options);

/// How to run the model with ONNX Runtime's TensorRT execution provider, which builds the engine
/// itself.
struct ProviderOptions {
  std::vector<std::pair<std::string, std::string>> options;
  std::string python;  ///< The argument `providers=[…]` of onnxruntime.InferenceSession.
  std::vector<std::string> notes;
};

/// The provider keeps the engine in the model's folder. EngineOptions::engine has no effect; of the
/// timing cache only the folder counts. Throws as trtexec_command() does.
AETHER2ONNX_API ProviderOptions onnxruntime_options(const EngineModel& model,
                                                    const EngineOptions& options);

/// How to run the model with vs-mlrt's vsmlrt.py, in VapourSynth.
struct PlayerCall {
  std::string python;  ///< "vsmlrt.inference(clip, …)".
  std::vector<std::string> notes;
};

/// vsmlrt runs trtexec itself and names the engine and the timing cache, so both have no effect.
///
/// Throws as trtexec_command() does, and Error(unsupported) if vsmlrt cannot run the model. vsmlrt
/// always gives a shape, which static models do not take. It gives one picture of one or three
/// channels at a time, in float32 or float16.
AETHER2ONNX_API PlayerCall vsmlrt_call(const EngineModel& model, const EngineOptions& options);

}  // namespace aether2onnx
