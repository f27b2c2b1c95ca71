/// @file
/// TensorRT, ONNX Runtime and players: from an ONNX file to an engine.
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

/// A version of TensorRT. A part that isn't said stands for the newest there is: {10} is "some
/// release of TensorRT 10" and comes after {10, 3, 0}.
struct TensorRtVersion {
  static constexpr int kNewest = 99;
  int major = 10;
  int minor = kNewest;
  int patch = kNewest;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 takes the comparison's 0 for a pointer
  friend constexpr auto operator<=>(const TensorRtVersion&, const TensorRtVersion&) = default;
};

/// "10.3.0"; "10.3" or "10" where the rest isn't said.
AETHER2ONNX_API std::string to_string(const TensorRtVersion& version);

/// Reads "8.6", "10" or "10.3.0"; a fourth number, as in "10.3.0.26", is left out. Throws
/// Error(usage) where `text` is no version, or one before 8.4, the oldest whose options are known.
AETHER2ONNX_API TensorRtVersion parse_tensorrt_version(std::string_view text);

/// The version in what trtexec prints first, whatever it is asked for: "[TensorRT v8601]" is 8.6.1
/// and "[TensorRT v100300]" 10.3.0. Nothing where there is no such text.
/// Source: the macros of NvInferVersion.h, which count in hundreds up to 9 and in ten thousands
/// from 10 on.
AETHER2ONNX_API std::optional<TensorRtVersion> tensorrt_version_in(std::string_view printed);

/// What an engine is built from: an ONNX file with one input (N, C, H, W), whoever made it, as far
/// as runtimes must be told of it.
struct EngineModel {
  std::filesystem::path path;  ///< As it goes into commands.
  std::string input_name;
  std::string input_dtype;   ///< "float32", "float16" or "bfloat16".
  std::string output_dtype;  ///< Of the first output.
  std::int64_t channels = 0;
  /// Of the input. A dynamic axis has the range that TensorRT is told; where the file has none
  /// (`profile_problem` isn't empty) it is InputShape::dynamic_defaults().
  InputShape shape;
  /// Why a dynamic model has no profile of its own: its metadata have none, or one that doesn't fit
  /// its input. Engines are built only after the ranges were set by hand, and this was emptied.
  std::string profile_problem;
  int opset_version = 0;
  /// Which types are in the graph besides float32. A file with one of them is typed: it states
  /// itself what is computed in which precision.
  bool has_float16 = false;
  bool has_bfloat16 = false;
  bool is_quantized = false;  ///< Has QuantizeLinear or DequantizeLinear.
  bool has_layer_normalization = false;
  /// LayerNormalization in single steps, of which the squares may go beyond float16's range.
  bool has_decomposed_normalization = false;
  /// Files that hold weights, as the ONNX file names them; they must lie beside it.
  std::vector<std::string> external_files;
};

/// Reads the description of an ONNX file; its weights stay where they are, and nothing in it is
/// trusted.
///
/// Throws Error(io) also where external data isn't beside it; Error(unsupported) where it is no
/// ONNX file, or hasn't one input (N, C, H, W) of a floating-point type with C fixed;
/// Error(malformed, limit) where it is damaged.
AETHER2ONNX_API EngineModel read_engine_model(const std::filesystem::path& path,
                                              const Context& context = {});

/// The same of a model that convert_file() or plan_file() told of.
AETHER2ONNX_API EngineModel engine_model(const Report& report);

/// What the engine is to compute in.
enum class EnginePrecision {
  as_model,  ///< As the file says.
  fp16,      ///< TensorRT may use float16 for any layer of a float32 model. Up to TensorRT 10.
  bf16,      ///< The same with bfloat16. TensorRT 9 and 10.
};

/// "as_model", "fp16" or "bf16".
AETHER2ONNX_API std::string_view to_string(EnginePrecision precision) noexcept;

/// How to build the engine.
struct EngineOptions {
  TensorRtVersion version;
  EnginePrecision precision = EnginePrecision::as_model;
  /// Where the engine goes. Empty: default_engine_name() beside the model.
  std::filesystem::path engine;
  /// Memory that layers may use while they run, in MiB (1,048,576 bytes), 1 to 16,777,216. Unset:
  /// TensorRT takes what the GPU has.
  std::optional<std::int64_t> workspace;
  /// File in which TensorRT keeps what it measured, for later builds; created where it is missing.
  /// Empty: none.
  std::filesystem::path timing_cache;
  /// How long to look for fast kernels, 0 to 5; TensorRT's default is 3. TensorRT 8.6 or newer.
  std::optional<std::int64_t> builder_optimization_level;
  /// Which GPU, as CUDA counts them, 0 to 1023. Unset: the first.
  std::optional<std::int64_t> device;
};

/// How to build an engine with NVIDIA's trtexec.
struct EngineCommand {
  /// Without the program's own name and not quoted for any shell.
  std::vector<std::string> arguments;
  std::filesystem::path engine;
  /// What the user should know, one line each.
  std::vector<std::string> notes;
};

/// `{stem}[_{precision}]_trt{version}_{shapes}.engine`, for example
/// "2x_net_fp16_op17_trt10.3_1x3x64x64.engine"; of a dynamic model with the smallest and the
/// largest shape, "…_1x3x32x32-4x3x256x256.engine". The precision is there where it isn't the
/// model's own.
AETHER2ONNX_API std::string default_engine_name(const EngineModel& model,
                                                const EngineOptions& options);

/// The arguments that this version of trtexec takes and this model needs.
///
/// Throws Error(usage) where an option is out of range or contradicts the model; Error(unsupported)
/// where this version can't build it, saying what would do.
AETHER2ONNX_API EngineCommand trtexec_command(const EngineModel& model,
                                              const EngineOptions& options);

/// How to give the model to ONNX Runtime's TensorRT execution provider, which builds the engine
/// itself.
struct ProviderOptions {
  std::vector<std::pair<std::string, std::string>> options;
  std::string python;  ///< The argument `providers=[…]` of onnxruntime.InferenceSession.
  std::vector<std::string> notes;
};

/// The engine is kept in the folder of the model; EngineOptions::engine doesn't count, nor does the
/// name of the timing cache, only its folder. Throws as trtexec_command().
AETHER2ONNX_API ProviderOptions onnxruntime_options(const EngineModel& model,
                                                    const EngineOptions& options);

/// How to give the model to vs-mlrt's vsmlrt.py, in VapourSynth.
struct PlayerCall {
  std::string python;  ///< "vsmlrt.inference(clip, …)".
  std::vector<std::string> notes;
};

/// vsmlrt runs trtexec itself and names the engine and the timing cache, so these don't count.
/// Throws as trtexec_command(), and Error(unsupported) where vsmlrt can't run the model: it hands
/// over shapes always, which static models don't take, one picture of one or three channels at a
/// time, float32 or float16.
AETHER2ONNX_API PlayerCall vsmlrt_call(const EngineModel& model, const EngineOptions& options);

}  // namespace aether2onnx
