/// @file
/// The table of commands.
#pragma once

#include <span>

#include "invocation.h"

namespace aether2onnx::cli {

struct Command {
  const char* name = "";
  /// One line without a full stop, for lists.
  const char* summary = "";
  /// The words that take the place of files; empty if the command takes files.
  const char* choices = "";
  /// Calls `use` with the command's options.
  void (*describe)(const UseCommandLine& use) = nullptr;
  /// Returns the exit code; throws Error.
  int (*run)(const Invocation& invocation) = nullptr;
};

/// The first command runs if none is named. To convert a checkpoint called "verify", type ./verify.
std::span<const Command> commands();

}  // namespace aether2onnx::cli
