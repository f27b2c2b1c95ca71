/// @file
/// The command "fuse": a checkpoint in, the same network fused out, for PyTorch.
#pragma once

#include "command_line.h"

namespace aether2onnx::cli {

/// Gives the exit code; throws Error.
int run_fuse(const Invocation& invocation);

}  // namespace aether2onnx::cli
