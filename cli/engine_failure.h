/// @file
/// Finds the reason for a failure of trtexec in its output.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <string>
#include <vector>

#include "port/port.h"

namespace aether2onnx::cli {

struct EngineFailure {
  std::string what;                ///< The reason, a sentence without a full stop.
  std::string remedy;              ///< What to do, in whole sentences; "" if unknown.
  std::vector<std::string> lines;  ///< The last errors in the log, printable.
};

/// `log` is the output of trtexec, or the beginning and the end of a long output.
EngineFailure explain_failure(const std::string& log, const port::ProcessEnd& end,
                              const TensorRtVersion& version);

}  // namespace aether2onnx::cli
