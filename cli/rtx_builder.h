/// @file
/// Finds a Python with NVIDIA's package TensorRT for RTX, which builds engines without a GPU.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "console.h"
#include "engine_builder.h"

namespace aether2onnx::cli {

/// A Python that can load the package TensorRT for RTX.
struct RtxPython {
  std::filesystem::path program;
  std::string python;             ///< Python's version, "3.13.0".
  std::string module;             ///< The package's module, "tensorrt_rtx_bindings".
  TensorRtVersion version;        ///< The version of TensorRT for RTX.
  std::vector<int> capabilities;  ///< Compute capabilities of the package, sorted; 86 is 8.6.
};

/// Returns the Python that `given` names: a path, or a name that is searched in PATH. By default,
/// tries python3 or python in PATH, then beside this program, where pip installs the program.
///
/// Throws Error(engine) if there is no such Python, if Python lacks the package, or if the package
/// does not work or is older than 1.5. The message says what was found and what to install.
RtxPython find_rtx_python(const std::optional<std::string>& given);

/// Returns the builder that runs in `python`.
///
/// Throws Error(unsupported) if the package does not build for a requested compute capability.
EngineBuilder rtx_builder(const RtxPython& python, const EngineModel& model,
                          const EngineOptions& options);

}  // namespace aether2onnx::cli
