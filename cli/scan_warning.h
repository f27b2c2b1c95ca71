/// @file
/// The warning about a checkpoint that is more than data.
#pragma once

#include <optional>

#include "console.h"

namespace aether2onnx::cli {

/// Scans a checkpoint before it is converted or fused. Returns a warning if loading the checkpoint
/// with PyTorch would or could do more than make tensors. Damage gives no warning: the conversion
/// and the command `scan` say more. Throws Error(io) if the file cannot be read.
std::optional<Diagnostic> scan_warning(const Invocation& invocation,
                                       const std::filesystem::path& checkpoint,
                                       const Limits& limits);

}  // namespace aether2onnx::cli
