/// @file
/// Stage "TensorRT": what TensorRT, and what builds engines with it, must be told of an ONNX file.
///
/// Owns which version of trtexec has which option, which opset and which types a version reads, and
/// the text of shapes and profiles. Calls nothing and starts nothing. The functions that use it are
/// public (aether2onnx.h).
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/onnx/onnx.h"

namespace aether2onnx::tensorrt {

/// "1x3x64x64": the input's shape at one end of its profile; of a fixed axis its size.
std::string shape_text(const InputShape& shape, std::int64_t channels, std::int64_t Axis::*which);

/// "input:1x3x64x64", as the metadata of the converter, trtexec and ONNX Runtime have it.
std::string profile_text(const EngineModel& model, std::int64_t Axis::*which);

/// What runtimes must be told of an ONNX file. Throws Error(unsupported), as read_engine_model().
EngineModel describe(const onnx::File& file);

/// An option of trtexec, and the versions that have it: from `first` on, before `end`.
struct TrtexecOption {
  std::string_view name;
  TensorRtVersion first;
  TensorRtVersion end;
};

/// Those that are used here.
std::span<const TrtexecOption> trtexec_options();

/// Whether this version has the option and heeds it.
bool has_option(const TensorRtVersion& version, std::string_view name);

/// The newest opset that this version reads.
int newest_opset(const TensorRtVersion& version);

/// How the precision comes about: which flags are set, or none where the file alone decides.
struct PrecisionRoute {
  bool strongly_typed = false;  ///< With --stronglyTyped; from TensorRT 11 on nothing else exists.
  bool fp16 = false;
  bool bf16 = false;
  bool int8 = false;
  std::vector<std::string> notes;
};

/// Where `may_be_strong` is false, strong typing can't be asked for, which is so of ONNX Runtime
/// and vsmlrt up to TensorRT 10. Throws Error(usage, unsupported) where there is no way.
PrecisionRoute precision_route(const EngineModel& model, const EngineOptions& options,
                               bool may_be_strong);

/// Throws where an option is out of range, the model has no profile, or this version doesn't read
/// its opset or operators. Adds to `notes`.
void check(const EngineModel& model, const EngineOptions& options, std::vector<std::string>& notes);

}  // namespace aether2onnx::tensorrt
