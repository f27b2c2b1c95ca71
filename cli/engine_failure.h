/// @file
/// Finds out from the output of trtexec or another builder why building an engine failed.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <string>
#include <vector>

#include "engine_builder.h"
#include "port/port.h"

namespace aether2onnx::cli {

struct EngineFailure {
  std::string what;                ///< Why the build failed: a sentence without a full stop.
  std::string remedy;              ///< What the user can do, in whole sentences; "" if unknown.
  std::vector<std::string> lines;  ///< The builder's last error messages, safe to print.
};

/// Returns why `builder` failed. `log` is the builder's output, or the beginning and the end of a
/// long output. `end` tells how the builder's process ended.
EngineFailure explain_failure(const EngineBuilder& builder, const std::string& log,
                              const port::ProcessEnd& end);

}  // namespace aether2onnx::cli
