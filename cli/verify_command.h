/// @file
/// The command `verify`: an ONNX file made by anybody against the checkpoint it was made from.
#pragma once

#include "invocation.h"

namespace aether2onnx::cli {

/// Calls `use` with the command's options.
void describe_verify(const UseCommandLine& use);

/// Gives the exit code; throws Error.
int run_verify(const Invocation& invocation);

}  // namespace aether2onnx::cli
