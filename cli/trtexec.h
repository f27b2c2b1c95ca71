/// @file
/// Finds NVIDIA's trtexec.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <filesystem>
#include <optional>
#include <string>

#include "engine_builder.h"

namespace aether2onnx::cli {

/// A trtexec that runs and says its version.
struct Trtexec {
  std::filesystem::path program;
  std::string word;  ///< As it is typed: "trtexec" if the shell finds it, or its path.
  TensorRtVersion version;
};

/// The trtexec at `path`. Throws Error(engine) if it does not say its version.
Trtexec trtexec_at(const std::filesystem::path& path);

/// The first trtexec that runs in the folders of PATH, in bin of TENSORRT_HOME and TENSORRT_ROOT,
/// and in the folders of TensorRT's packages and containers.
std::optional<Trtexec> find_trtexec();

/// The folders of find_trtexec() beside PATH, for messages.
std::string usual_trtexec_folders();

/// The builder that runs trtexec, which must be of the version in `options`.
EngineBuilder trtexec_builder(const Trtexec& trtexec, const EngineModel& model,
                              const EngineOptions& options);

}  // namespace aether2onnx::cli
