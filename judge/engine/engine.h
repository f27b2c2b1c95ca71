/// @file
/// Internal functions of the command engine. They describe ONNX files and choose trtexec's options.
///
/// The functions here start no program. The public functions are in aether2onnx/engine.h.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <string>
#include <string_view>
#include <vector>

#include "formats/onnx/onnx.h"
#include "judge/targets.h"
#include "port/files.h"

namespace aether2onnx::judge::engine {

/// Returns the compute capabilities in `options`, times 10. If there are none, returns the default
/// of TensorRT for RTX: 80, 86, 89 and 120.
std::vector<int> tensorrt_rtx_capabilities(const EngineOptions& options);

/// Returns the smallest, usual or largest input shape (`which` selects one) as "input:1x3x64x64".
/// The converter's metadata and the options of trtexec and ONNX Runtime have this form.
std::string profile_text(const EngineModel& model, std::int64_t Axis::*which);

/// Returns the facts about an ONNX file that are needed to build an engine: the input's name and
/// shape, the types, the opset, … Throws the errors of read_engine_model().
EngineModel describe(const onnx::Model& file);

/// Returns why TensorRT refuses the file's quantization, or "" if TensorRT accepts the
/// quantization. TensorRT reads only symmetric quantization, which has zero points of 0.
std::string quantization_problem(const onnx::Model& file, const Input& input);

/// Throws Error(unsupported) if the model has a quantization that TensorRT refuses.
void check_quantization(const EngineModel& model);

/// Throws Error(usage) if a number in `options` is out of range.
void check_numbers(const EngineOptions& options);
/// Throws Error(usage) if a dynamic model has no profile, which is the range of its input sizes.
void check_profile(const EngineModel& model);

/// Returns the path as an argument for trtexec. If the path begins with '~', adds "./" in front,
/// because some versions of trtexec replace '~' at the start by the home folder.
std::string path_text(const std::filesystem::path& path);

/// Returns the input shape for file names: "1x3x64x64"; for a range "1x3x32x32-4x3x256x256".
std::string shapes_name(const EngineModel& model);

/// Returns whether this version of trtexec has the option `name` and does not ignore the option.
bool has_option(const TensorRtVersion& version, std::string_view name);

/// The trtexec flags for the engine's precision. Without flags, the ONNX file sets the precision.
struct PrecisionRoute {
  bool strongly_typed = false;  ///< --stronglyTyped. TensorRT 11 needs no flag for strong typing.
  bool fp16 = false;
  bool bf16 = false;
  bool int8 = false;
};

/// Returns the flags for the requested precision, and adds hints for the user to `notes`. Throws
/// Error(usage) if the precision contradicts the model's types; Error(unsupported) if this version
/// of TensorRT has no flag for the precision.
///
/// `may_be_strong`: whether the caller can request strong typing (layers compute in the file's
/// types). ONNX Runtime and vsmlrt cannot request strong typing from TensorRT 10 and older.
PrecisionRoute precision_route(const EngineModel& model, const EngineOptions& options,
                               bool may_be_strong, std::vector<std::string>& notes);

/// Throws Error(usage) if an option is out of range or a dynamic model has no range of sizes;
/// Error(unsupported) if TensorRT in EngineOptions::version does not read the model's quantization,
/// opset or operators. Adds hints for the user to `notes`.
void validate(const EngineModel& model, const EngineOptions& options,
              std::vector<std::string>& notes);

/// Returns the files that trtexec reads: the ONNX file and its external data.
io::FilesRead files_read(const EngineModel& model);

/// Throws Error(io) if trtexec would overwrite a file in `read`; Error(usage) if the engine and the
/// timing cache are the same file.
void check_outputs(const std::filesystem::path& engine, const EngineOptions& options,
                   const io::FilesRead& read);

/// Returns the model's path for messages, with unprintable characters replaced.
std::string shown_path(const EngineModel& model);

}  // namespace aether2onnx::judge::engine
