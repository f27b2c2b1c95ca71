/// @file
/// Runs a program that builds a TensorRT engine: trtexec, or Python with TensorRT for RTX.
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

/// A program that builds a TensorRT engine, such as trtexec.
struct EngineBuilder {
  std::string name;  ///< The program's name in messages: "trtexec".
  TensorRtVersion version;
  std::string machine;  ///< The device whose memory is used, for messages: "GPU" or "computer".
  /// Returns the command line (program's path, then arguments) that writes the engine to `engine`.
  std::function<std::vector<std::string>(const std::filesystem::path& engine)> words;
};

struct BuiltEngine {
  std::filesystem::path engine;
  std::filesystem::path log;
  std::uint64_t bytes = 0;
  double seconds = 0;
};

/// Runs `builder`, which writes the engine under a temporary name, then renames the engine to
/// `engine`. After a failure, an older engine is unchanged. The builder's messages are written to
/// the file `log`. If `log` is empty, the file's name is the engine's name with ".log" added.
/// `read` lists the files that no output may replace, such as the ONNX file. Throws Error if the
/// engine, the log or the timing cache in `options` would replace one of these files.
///
/// Throws ProgramError("engine") if the builder fails. The message has the reason from the log.
BuiltEngine build_engine(const EngineBuilder& builder, const std::filesystem::path& engine,
                         const EngineOptions& options, const std::filesystem::path& log,
                         const io::FilesRead& read, Console& console);

}  // namespace aether2onnx::cli
