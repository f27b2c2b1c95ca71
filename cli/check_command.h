/// @file
/// The command `check`: what would stop or slow the programs that run an ONNX file.
#pragma once

#include "invocation.h"

namespace aether2onnx::cli {

/// Gives the exit code; throws Error.
int run_check(const Invocation& invocation);

/// Calls `use` with the command's options.
void describe_check(const UseCommandLine& use);

}  // namespace aether2onnx::cli
