/// @file
/// The warning about a checkpoint that is more than data.
#pragma once

#include <optional>

#include "console.h"

namespace aether2onnx::cli {

/// Scans a checkpoint that was converted or fused. Returns a warning if loading the checkpoint with
/// PyTorch would or could do more than make tensors. A checkpoint that cannot be scanned gives no
/// warning: the command `scan` says why.
std::optional<Diagnostic> scan_warning(const Invocation& invocation,
                                       const std::filesystem::path& checkpoint,
                                       const Limits& limits);

}  // namespace aether2onnx::cli
