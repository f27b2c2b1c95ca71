/// @file
/// Finds the reason for the failure of a builder in its output.
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
  std::vector<std::string> lines;  ///< The last errors in the log, printable.
};

/// `log` is the output of the builder, or the beginning and the end of a long output.
EngineFailure explain_failure(const EngineBuilder& builder, const std::string& log,
                              const port::ProcessEnd& end);

}  // namespace aether2onnx::cli
