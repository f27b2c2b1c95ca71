/// @file
/// Finds and runs NVIDIA's trtexec.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "console.h"
#include "port/files.h"

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

struct BuiltEngine {
  std::filesystem::path engine;
  std::filesystem::path log;
  std::uint64_t bytes = 0;
  double seconds = 0;
};

/// Runs trtexec, which must be of the version in `options`. trtexec writes the engine under a
/// temporary name; the complete engine is renamed. On any failure an older engine stays. An empty
/// `log` means the engine's name with ".log" behind it. Neither the engine nor the log nor the
/// timing cache replaces a file of `read`.
///
/// Throws Error(engine) if trtexec fails, with the reason that its log tells.
BuiltEngine build_engine(const Trtexec& trtexec, const EngineModel& model,
                         const EngineOptions& options, const std::filesystem::path& log,
                         const io::FilesRead& read, Console& console);

}  // namespace aether2onnx::cli
