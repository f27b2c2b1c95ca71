/// @file
/// What TensorRT must know about an ONNX file, and how each version of trtexec is told.
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

/// The compute capabilities of `options`, or TensorRT for RTX's default: 80, 86, 89 and 120.
std::vector<int> tensorrt_rtx_capabilities(const EngineOptions& options);

/// "input:1x3x64x64", as in the converter's metadata, trtexec's options and ONNX Runtime's.
std::string profile_text(const EngineModel& model, std::int64_t Axis::*which);

/// Describes an ONNX file for runtimes. Throws Error(unsupported), see read_engine_model().
EngineModel describe(const onnx::Model& file);

/// Why TensorRT refuses the file's quantization; "" if it does not. TensorRT reads only symmetric
/// quantization.
std::string quantization_problem(const onnx::Model& file, const Input& input);

/// Throws Error(unsupported) if there is a quantization_problem.
void check_quantization(const EngineModel& model);

/// Throws if a number in `options` is out of range, or the model has no profile.
void check_numbers(const EngineOptions& options);
void check_profile(const EngineModel& model);

/// The path for an option: trtexec replaces '~' at the start by the home folder.
std::string path_text(const std::filesystem::path& path);

/// "1x3x64x64", or "1x3x32x32-4x3x256x256" for a range of sizes.
std::string shapes_name(const EngineModel& model);

/// Whether this version of trtexec has the option and heeds the option.
bool has_option(const TensorRtVersion& version, std::string_view name);

/// How the engine gets its precision: by flags, or without flags by the file alone.
struct PrecisionRoute {
  bool strongly_typed = false;  ///< By --stronglyTyped. TensorRT 11 needs no flag for this.
  bool fp16 = false;
  bool bf16 = false;
  bool int8 = false;
};

/// Throws Error(usage, unsupported) if no route leads to the requested precision. Adds to `notes`.
///
/// `may_be_strong` is false for ONNX Runtime and vsmlrt, which cannot request strong typing up to
/// TensorRT 10.
PrecisionRoute precision_route(const EngineModel& model, const EngineOptions& options,
                               bool may_be_strong, std::vector<std::string>& notes);

/// Throws if an option is out of range, the model has no profile, or this version does not read
/// the model's opset or operators. Adds to `notes`.
void validate(const EngineModel& model, const EngineOptions& options,
              std::vector<std::string>& notes);

/// The ONNX file and its external data.
io::FilesRead files_read(const EngineModel& model);

/// Throws if trtexec would write over a file of `read`, or the engine and the timing cache are one
/// file.
void check_outputs(const std::filesystem::path& engine, const EngineOptions& options,
                   const io::FilesRead& read);

/// The model's path for messages.
std::string shown_path(const EngineModel& model);

}  // namespace aether2onnx::judge::engine
