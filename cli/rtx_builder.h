/// @file
/// Finds a Python with NVIDIA's TensorRT for RTX, and builds engines there. Needs no GPU.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "console.h"
#include "engine_builder.h"

namespace aether2onnx::cli {

/// A Python with a usable TensorRT for RTX.
struct RtxPython {
  std::filesystem::path program;
  std::string python;             ///< Its version, "3.13.0".
  std::string module;             ///< "tensorrt_rtx_bindings".
  TensorRtVersion version;        ///< Of TensorRT for RTX.
  std::vector<int> capabilities;  ///< For which this package builds, 86 for 8.6; in order.
};

/// The Python that `given` names: a path, or a name that PATH is searched for. Without a name:
/// python3 and python of PATH, then those beside this program, where pip installs both.
///
/// Throws Error(engine) if there is no such Python, if it lacks the package, or if the package does
/// not work or is older than 1.5. The message says what was found and what to install.
RtxPython find_rtx_python(const std::optional<std::string>& given);

/// The builder that runs in this Python.
///
/// Throws Error(unsupported) if the package does not build for a requested compute capability.
EngineBuilder rtx_builder(const RtxPython& python, const EngineModel& model,
                          const EngineOptions& options);

}  // namespace aether2onnx::cli
