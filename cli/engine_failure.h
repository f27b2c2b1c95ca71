/// @file
/// Finds the reason for a builder's failure in the builder's output.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <string>
#include <vector>

#include "engine_builder.h"
#include "port/port.h"

namespace aether2onnx::cli {

struct EngineFailure {
  std::string what;                ///< The reason, a sentence without a full stop.
  std::string remedy;              ///< What to do, in whole sentences; "" if unknown.
  std::vector<std::string> lines;  ///< The last errors in the log, safe for a terminal.
};

/// Returns the reason for a failure. `log` is the builder's output, or the two ends of a long
/// output.
EngineFailure explain_failure(const EngineBuilder& builder, const std::string& log,
                              const port::ProcessEnd& end);

}  // namespace aether2onnx::cli
