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
  /// Gives the exit code; throws Error.
  int (*run)(const Invocation& invocation) = nullptr;
  /// Calls `use` with the command's options.
  void (*describe)(const UseCommandLine& use) = nullptr;
  /// The words that stand where other commands have files; empty where files do.
  const char* choices = "";
};

/// The first one is the command where none is named. A checkpoint of such a name is given as
/// ./verify.
std::span<const Command> commands();

}  // namespace aether2onnx::cli
