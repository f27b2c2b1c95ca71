/// @file
/// Finds a Python interpreter with NVIDIA's package TensorRT for RTX. The package builds engines
/// without a GPU.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "console.h"
#include "engine_builder.h"

namespace aether2onnx::cli {

/// A Python interpreter that can load NVIDIA's package TensorRT for RTX.
struct RtxPython {
  std::filesystem::path program;
  std::string python;             ///< Python's version, "3.13.0".
  std::string module;             ///< The name of the package's module, "tensorrt_rtx_bindings".
  TensorRtVersion version;        ///< The version of TensorRT for RTX.
  std::vector<int> capabilities;  ///< GPUs to build for, sorted; 86 is compute capability 8.6.
};

/// Returns the Python interpreter `given`: a path, or a name that is searched in PATH. By default,
/// tries python3 or python in PATH, then in the folder of aether2onnx, where pip installs programs.
///
/// Throws ProgramError("engine") if no interpreter is found, or if the package TensorRT for RTX is
/// missing, does not work or is older than 1.5. The message says what was found and what to
/// install.
RtxPython find_rtx_python(const std::optional<std::string>& given);

/// Returns the builder that runs `python` with the package TensorRT for RTX on `model`.
///
/// Throws Error(unsupported) if the package cannot build engines for a GPU's compute capability in
/// `options`.
EngineBuilder rtx_builder(const RtxPython& python, const EngineModel& model,
                          const EngineOptions& options);

}  // namespace aether2onnx::cli
