/// @file
/// Building an engine: trtexec run to its end, its engine put in place.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstdint>
#include <filesystem>

#include "console.h"
#include "trtexec.h"

namespace aether2onnx::cli {

struct BuiltEngine {
  std::filesystem::path engine;
  std::filesystem::path log;
  std::uint64_t bytes = 0;
  double seconds = 0;
};

/// Runs trtexec, whose version is that of `options`. The engine is written under a temporary name
/// and renamed when it is complete; until then, and on any failure, what was there before stays.
/// An empty `log` stands for the engine's name with ".log" behind it.
///
/// Throws Error(engine) where trtexec fails, with the reason as far as its log tells it.
BuiltEngine build_engine(const Trtexec& trtexec, const EngineModel& model,
                         const EngineOptions& options, const std::filesystem::path& log,
                         Console& console);

}  // namespace aether2onnx::cli
