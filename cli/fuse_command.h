/// @file
/// The command "fuse": a checkpoint in, the same network fused out, for PyTorch.
#pragma once

#include "invocation.h"

namespace aether2onnx::cli {

/// Gives the exit code; throws Error.
int run_fuse(const Invocation& invocation);

/// Calls `use` with the command's options.
void describe_fuse(const UseCommandLine& use);

}  // namespace aether2onnx::cli
