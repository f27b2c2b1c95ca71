/// @file
/// The command `engine`: builds a TensorRT engine from an ONNX file, or prints the command that
/// does, or what ONNX Runtime and players must be given.
#pragma once

#include "invocation.h"

namespace aether2onnx::cli {

/// Gives the exit code; throws Error.
int run_engine(const Invocation& invocation);

/// Calls `use` with the command's options.
void describe_engine(const UseCommandLine& use);

}  // namespace aether2onnx::cli
