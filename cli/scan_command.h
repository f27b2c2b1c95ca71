/// @file
/// The command `scan`: whether files hold anything but data.
#pragma once

#include "invocation.h"

namespace aether2onnx::cli {

/// Gives the exit code; throws Error(usage).
int run_scan(const Invocation& invocation);

/// Calls `use` with the command's options.
void describe_scan(const UseCommandLine& use);

}  // namespace aether2onnx::cli
