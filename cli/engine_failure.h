/// @file
/// Why trtexec failed, told by what it printed.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <string>
#include <vector>

#include "process.h"

namespace aether2onnx::cli {

struct EngineFailure {
  std::string what;                ///< A sentence without a full stop.
  std::string remedy;              ///< What to do, whole sentences; "" where that isn't known.
  std::vector<std::string> lines;  ///< The last errors that it printed, printable.
};

/// `log` is what it printed, or the beginning and the end of that.
EngineFailure explain_failure(const std::string& log, const ProcessEnd& end,
                              const TensorRtVersion& version);

}  // namespace aether2onnx::cli
