/// @file
/// Runs a program that builds an engine.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "console.h"
#include "port/files.h"

namespace aether2onnx::cli {

/// A program that builds an engine, as trtexec.
struct EngineBuilder {
  std::string name;  ///< For messages: "trtexec".
  TensorRtVersion version;
  std::string machine;  ///< Whose memory it uses: "GPU" or "computer".
  /// The program's path and its arguments, for an engine at this path.
  std::function<std::vector<std::string>(const std::filesystem::path& engine)> words;
};

struct BuiltEngine {
  std::filesystem::path engine;
  std::filesystem::path log;
  std::uint64_t bytes = 0;
  double seconds = 0;
};

/// Runs the builder, which writes the engine under a temporary name; the complete engine is renamed
/// to `engine`. On any failure an older engine stays. An empty `log` means the engine's name with
/// ".log" behind it. Neither the engine nor the log nor the timing cache of `options` replaces a
/// file of `read`.
///
/// Throws Error(engine) if the builder fails, with the reason that its log tells.
BuiltEngine build_engine(const EngineBuilder& builder, const std::filesystem::path& engine,
                         const EngineOptions& options, const std::filesystem::path& log,
                         const io::FilesRead& read, Console& console);

}  // namespace aether2onnx::cli
