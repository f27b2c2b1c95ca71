/// @file
/// The command `manual`. Prints the manual page (roff, for man). It is made of the table of
/// commands and their options, so it can't lack one.
#pragma once

#include "invocation.h"

namespace aether2onnx::cli {

/// Calls `use` with the command's options.
void describe_manual(const UseCommandLine& use);

/// Gives the exit code; throws Error.
int run_manual(const Invocation& invocation);

}  // namespace aether2onnx::cli
