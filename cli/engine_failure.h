/// @file
/// Finds the reason of a failed trtexec in its output.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <string>
#include <vector>

#include "port/port.h"

namespace aether2onnx::cli {

struct EngineFailure {
  std::string what;                ///< A sentence without a full stop.
  std::string remedy;              ///< The way out, in whole sentences; "" if unknown.
  std::vector<std::string> lines;  ///< The last errors that it printed, printable.
};

/// `log` is the output of trtexec, or its beginning and end.
EngineFailure explain_failure(const std::string& log, const port::ProcessEnd& end,
                              const TensorRtVersion& version);

}  // namespace aether2onnx::cli
