/// @file
/// The command `inspect`: what a checkpoint or an ONNX file is.
#pragma once

#include "command_line.h"

namespace aether2onnx::cli {

/// Gives the exit code; throws Error.
int run_inspect(const Invocation& invocation);

}  // namespace aether2onnx::cli
