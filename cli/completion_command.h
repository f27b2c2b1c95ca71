/// @file
/// The command `completion`. Prints the completion script of a shell: bash, zsh or fish. It is made
/// of the table of commands and their options, so it can't lack one.
#pragma once

#include "invocation.h"

namespace aether2onnx::cli {

/// Calls `use` with the command's options.
void describe_completion(const UseCommandLine& use);

/// Gives the exit code; throws Error.
int run_completion(const Invocation& invocation);

}  // namespace aether2onnx::cli
