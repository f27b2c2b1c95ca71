/// @file
/// Commands and options for building an engine from an ONNX file with TensorRT, ONNX Runtime or
/// vs-mlrt (plugins for videos in VapourSynth). An engine is a model that TensorRT has compiled for
/// certain GPUs.
///
/// The functions only read files and return texts; they start no program. A result owns all its
/// data. All functions may be called from several threads at once. The member `notes` of a result
/// contains options as {option:NAME}; spell_options() replaces this form by the caller's way to
/// write options.
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

/// A version of TensorRT. The minor number and the patch number may be missing: {10} means any
/// release of TensorRT 10. A missing number has the value kNewest, so {10} compares as newer than
/// {10, 3, 0}.
struct TensorRtVersion {
  static constexpr int kNewest = 99;
  int major = 10;
  int minor = kNewest;
  int patch = kNewest;
  // The warning of clang-tidy 14 is false: for this operator, the compiler generates a comparison
  // with 0, and clang-tidy takes this 0 for a null pointer. NOLINTNEXTLINE(modernize-use-nullptr)
  friend constexpr auto operator<=>(const TensorRtVersion&, const TensorRtVersion&) = default;
};

/// Returns "10.3.0"; "10.3" if the patch number is missing; "10" if the minor number is missing,
/// too.
AETHER2ONNX_API std::string to_string(const TensorRtVersion& version);

/// Reads "8.6", "10" or "10.3.0", and ignores a fourth number, as in "10.3.0.26". Throws
/// Error(usage) if `text` is no version, or is older than 8.4, the oldest supported version.
AETHER2ONNX_API TensorRtVersion parse_tensorrt_version(std::string_view text);

/// Reads a version of TensorRT for RTX, "1.7" or "1.7.1". Throws Error(usage) if `text` is no
/// version, or is older than 1.5, the oldest supported version.
AETHER2ONNX_API TensorRtVersion parse_tensorrt_rtx_version(std::string_view text);

/// Returns {1}, which means any release of TensorRT for RTX 1.
AETHER2ONNX_API TensorRtVersion newest_tensorrt_rtx() noexcept;

/// Reads the compute capability of a GPU: returns 89 for "8.9" and "89". Throws Error(usage) if
/// TensorRT for RTX does not support this GPU. Supported are 7.5 and newer, except 9.x (Hopper).
AETHER2ONNX_API int parse_compute_capability(std::string_view text);

/// Returns the version in trtexec's first line of output: 8.6.1 for "[TensorRT v8601]", 10.3.0 for
/// "[TensorRT v100300]". Returns nullopt if the text contains no version.
/// trtexec prints one number: 1,000 * major + 100 * minor + patch up to TensorRT 9, and
/// 10,000 * major + 100 * minor + patch from TensorRT 10 on. Source: macros in NvInferVersion.h.
AETHER2ONNX_API std::optional<TensorRtVersion> tensorrt_version_in(std::string_view printed);

/// Describes an ONNX file with one input (N, C, H, W), from any exporter, for building an engine.
struct EngineModel {
  std::filesystem::path path;  ///< The path that commands contain.
  std::string input_name;
  std::string input_dtype;   ///< "float32", "float16" or "bfloat16".
  std::string output_dtype;  ///< The type of the first output.
  std::int64_t channels = 0;
  /// The input's shape. A dynamic axis has a range of sizes, which TensorRT gets as min, opt and
  /// max. If `profile_problem` is not empty, the ranges are those of
  /// InputShape::dynamic_defaults().
  InputShape shape;
  /// Why the ranges of a dynamic model's axes (TensorRT's profile) are unknown: the metadata
  /// contain no ranges that fit the input. To build an engine, set the ranges in `shape` and clear
  /// this text.
  std::string profile_problem;
  int opset_version = 0;
  /// Whether weights, inputs or outputs of the graph have the type float16, bfloat16 or float8. If
  /// one of these members is true, the types in the file say in which precision each operator
  /// computes.
  bool has_float16 = false;
  bool has_bfloat16 = false;
  bool has_float8 = false;
  bool is_quantized = false;  ///< The graph has QuantizeLinear or DequantizeLinear.
  /// Why TensorRT refuses the quantization: "the zero point of 'q' is not 0". Empty: no problem.
  std::string quantization_problem;
  bool has_layer_normalization = false;
  /// The graph computes a normalization with ReduceMean and Pow instead of LayerNormalization. If
  /// Pow computes squares in float16, the squares may exceed float16's range.
  bool has_decomposed_normalization = false;
  /// Names of the files with weights, as in the ONNX file. The files with weights must be in the
  /// ONNX file's folder.
  std::vector<std::string> external_files;
};

/// Describes an ONNX file without reading the weights. The file may be from an untrusted source.
///
/// Throws Error(io) if the file cannot be read or a file of its external data is missing;
/// Error(unsupported) if the external data are in another folder, if the file is no ONNX file, or
/// if the file does not have one input (N, C, H, W) of a floating-point type with a fixed C;
/// Error(malformed) if the file is damaged; Error(limit) if the file exceeds a limit.
AETHER2ONNX_API EngineModel read_engine_model(const std::filesystem::path& path,
                                              const Context& context = {});

/// Returns the description of a model that convert_file() or plan_file() has reported.
AETHER2ONNX_API EngineModel engine_model(const ConvertReport& report);

/// The precision in which the engine computes.
enum class EnginePrecision {
  as_model,  ///< TensorRT uses the types in the file.
  fp16,      ///< TensorRT 10 or older may use float16 for any layer of a float32 model.
  bf16,      ///< TensorRT 9 or 10 may use bfloat16 for any layer of a float32 model.
};

/// Returns "as_model", "fp16" or "bf16".
AETHER2ONNX_API std::string_view to_string(EnginePrecision precision) noexcept;

/// Options of the functions that return commands for building an engine.
struct EngineOptions {
  TensorRtVersion version;
  EnginePrecision precision = EnginePrecision::as_model;
  /// The path of the engine's file. Empty: default_engine_name() in the model's folder.
  std::filesystem::path engine;
  /// Memory that layers may use while they run, in MiB (1,048,576 bytes), 1 to 16,777,216. Unset:
  /// all memory of the GPU.
  std::optional<std::int64_t> workspace;
  /// The file in which TensorRT keeps its time measurements of kernels for later builds. TensorRT
  /// creates a missing file. Empty: no file.
  std::filesystem::path timing_cache;
  /// How long TensorRT searches for fast kernels, 0 (shortest) to 5. TensorRT's default is 3. Needs
  /// TensorRT 8.6 or newer.
  std::optional<std::int64_t> builder_optimization_level;
  /// The GPU's number in CUDA, 0 to 1023. Unset: the first GPU.
  std::optional<std::int64_t> device;
  /// Only for TensorRT for RTX: the compute capabilities of the GPUs that can run the engine, 89
  /// for 8.9. Empty: the default of TensorRT for RTX, which is 8.0, 8.6, 8.9, 12.0 and newer.
  std::vector<int> compute_capabilities;
};

/// The command that builds an engine with NVIDIA's trtexec or tensorrt_rtx.
struct EngineCommand {
  /// The arguments without the program's name, not quoted for any shell.
  std::vector<std::string> arguments;
  std::filesystem::path engine;
  /// Advice for the user, one line for each note.
  std::vector<std::string> notes;
};

/// Returns `{stem}[_{precision}]_trt{version}_{shapes}.engine`. The name contains `_{precision}`
/// only if EngineOptions::precision differs from the types in the file. Example without this part,
/// for 2x_net_fp16_op17.onnx: "2x_net_fp16_op17_trt10.3_1x3x64x64.engine". For a dynamic model, the
/// name contains the smallest and the largest input shape, "…_1x3x32x32-4x3x256x256.engine".
AETHER2ONNX_API std::string default_engine_name(const EngineModel& model,
                                                const EngineOptions& options);

/// Returns the trtexec command that builds an engine from `model`. EngineOptions::version is the
/// version of TensorRT to which trtexec belongs.
///
/// Throws Error(usage) if an option is out of range or contradicts the model; Error(unsupported) if
/// this version cannot build the engine. Error(unsupported) names a version or an option with which
/// the build is possible.
AETHER2ONNX_API EngineCommand trtexec_command(const EngineModel& model,
                                              const EngineOptions& options);

/// Returns the command for NVIDIA's tensorrt_rtx, the program of TensorRT for RTX. The engine's
/// default name is `{stem}_rtx{version}_{shapes}.engine`. EngineOptions::version is the version of
/// TensorRT for RTX, see newest_tensorrt_rtx(). If EngineOptions::device is set, the build runs on
/// this GPU; otherwise the build needs no GPU.
///
/// Throws the errors of trtexec_command(). Also throws Error(unsupported) if a GPU with one of the
/// EngineOptions::compute_capabilities cannot compute in a type of the model.
AETHER2ONNX_API EngineCommand tensorrt_rtx_command(const EngineModel& model,
                                                   const EngineOptions& options);

/// Options of ONNX Runtime's TensorRT execution provider, which builds the engine itself and runs
/// the model.
struct ProviderOptions {
  std::vector<std::pair<std::string, std::string>> options;
  std::string python;  ///< The argument `providers=[…]` of onnxruntime.InferenceSession.
  std::vector<std::string> notes;
};

/// Returns the options of ONNX Runtime's TensorRT provider. EngineOptions::engine is ignored,
/// because the provider stores the engine in the model's folder. The provider's option for the
/// timing cache, trt_timing_cache_path, is a folder. So only the folder of
/// EngineOptions::timing_cache is used. Throws the errors of trtexec_command().
AETHER2ONNX_API ProviderOptions onnxruntime_options(const EngineModel& model,
                                                    const EngineOptions& options);

/// The Python call that runs the model with vs-mlrt's vsmlrt.py, in VapourSynth.
struct PlayerCall {
  std::string python;  ///< "vsmlrt.inference(clip, …)".
  std::vector<std::string> notes;
};

/// Returns the Python call of vsmlrt.py. EngineOptions::engine and timing_cache are ignored,
/// because vsmlrt runs trtexec itself and chooses the names of the engine and the timing cache.
///
/// Throws the errors of trtexec_command(), and Error(unsupported) if vsmlrt cannot run the model.
/// The model must be dynamic, because vsmlrt always gives TensorRT a shape, and TensorRT refuses a
/// shape for a model with a fixed size. The model must accept one picture at a time, with 1 or 3
/// channels, in float32 or float16.
AETHER2ONNX_API PlayerCall vsmlrt_call(const EngineModel& model, const EngineOptions& options);

}  // namespace aether2onnx
