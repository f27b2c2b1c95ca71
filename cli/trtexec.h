/// @file
/// Finds trtexec, NVIDIA's program that builds TensorRT engines.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <filesystem>
#include <optional>
#include <string>

#include "engine_builder.h"

namespace aether2onnx::cli {

/// A trtexec that runs and prints its version.
struct Trtexec {
  std::filesystem::path program;
  std::string word;  ///< "trtexec" if the program is in PATH, else the program's path.
  TensorRtVersion version;
};

/// Returns the trtexec at `path`. Throws Error(engine) if the program does not run, prints no
/// version or belongs to TensorRT for RTX.
Trtexec trtexec_at(const std::filesystem::path& path);

/// Returns the first trtexec that runs. Searches the folders of PATH, then bin of TENSORRT_HOME and
/// TENSORRT_ROOT, then the folders of TensorRT's packages and containers.
std::optional<Trtexec> find_trtexec();

/// Returns the folders that find_trtexec() searches after PATH, as text for messages.
std::string usual_trtexec_folders();

/// Returns the builder that runs `trtexec`. options.version must be the version of `trtexec`.
EngineBuilder trtexec_builder(const Trtexec& trtexec, const EngineModel& model,
                              const EngineOptions& options);

}  // namespace aether2onnx::cli
