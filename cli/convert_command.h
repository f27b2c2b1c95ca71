/// @file
/// The main command: a checkpoint in, an ONNX file out. Every option of the reference script under
/// its name, and our own.
#pragma once

#include "invocation.h"

namespace aether2onnx::cli {

/// Calls `use` with the command's options.
void describe_convert(const UseCommandLine& use);

/// Gives the exit code; throws Error.
int run_convert(const Invocation& invocation);

}  // namespace aether2onnx::cli
