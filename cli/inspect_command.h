/// @file
/// The command `inspect`: what a checkpoint or an ONNX file is.
#pragma once

#include "invocation.h"

namespace aether2onnx::cli {

/// Gives the exit code; throws Error.
int run_inspect(const Invocation& invocation);

/// Calls `use` with the command's options.
void describe_inspect(const UseCommandLine& use);

}  // namespace aether2onnx::cli
