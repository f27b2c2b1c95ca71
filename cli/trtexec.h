/// @file
/// Finds trtexec, NVIDIA's program that builds TensorRT engines.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <filesystem>
#include <optional>
#include <string>

#include "engine_builder.h"

namespace aether2onnx::cli {

/// A program trtexec that was run and printed its version.
struct Trtexec {
  std::filesystem::path program;
  std::string word;  ///< For command lines: "trtexec" if found in PATH, else the path.
  TensorRtVersion version;
};

/// Returns the trtexec at `path`. Throws ProgramError("engine") if the program does not run, prints
/// no version or belongs to TensorRT for RTX.
Trtexec trtexec_at(const std::filesystem::path& path);

/// Returns the first trtexec that prints its version, or nullopt. Searches PATH, then
/// $TENSORRT_HOME/bin and $TENSORRT_ROOT/bin, then the usual folders of TensorRT's packages and
/// archives.
std::optional<Trtexec> find_trtexec();

/// Returns the folders that find_trtexec() searches after PATH, as text for messages.
std::string usual_trtexec_folders();

/// Returns the builder that runs `trtexec` on `model`. options.version must be trtexec.version.
EngineBuilder trtexec_builder(const Trtexec& trtexec, const EngineModel& model,
                              const EngineOptions& options);

}  // namespace aether2onnx::cli
