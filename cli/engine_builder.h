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

/// A program that builds an engine, such as trtexec.
struct EngineBuilder {
  std::string name;  ///< The name in messages: "trtexec".
  TensorRtVersion version;
  std::string machine;  ///< The owner of the memory that the builder uses: "GPU" or "computer".
  /// Returns the command (the program's path, then its arguments) that writes the file `engine`.
  std::function<std::vector<std::string>(const std::filesystem::path& engine)> words;
};

struct BuiltEngine {
  std::filesystem::path engine;
  std::filesystem::path log;
  std::uint64_t bytes = 0;
  double seconds = 0;
};

/// Runs the builder, which writes the engine under a temporary name. Renames the complete engine to
/// `engine`. After a failure, an older engine is unchanged. If `log` is empty, the log is the
/// engine's name with ".log" added. The engine, the log and the timing cache of `options` replace
/// no file of `read`.
///
/// Throws Error(engine) if the builder fails. The message contains the reason, found in the log.
BuiltEngine build_engine(const EngineBuilder& builder, const std::filesystem::path& engine,
                         const EngineOptions& options, const std::filesystem::path& log,
                         const io::FilesRead& read, Console& console);

}  // namespace aether2onnx::cli
