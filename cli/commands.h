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
  void (*describe_as)(const char* own_name, const UseCommandLine& use) = nullptr;
  int (*run_as)(const char* own_name, const Invocation& invocation) = nullptr;

  /// Calls `use` with the command's options.
  void describe(const UseCommandLine& use) const { describe_as(name, use); }
  /// Returns the exit code; throws Error.
  int run(const Invocation& invocation) const { return run_as(name, invocation); }
};

/// All commands. The first command is the one that needs no name.
std::span<const Command> commands();

/// The command that the first word on the command line means.
struct Meant {
  const Command* command = nullptr;
  bool is_named = false;  ///< The word is the command's name, and no option or file.
};

/// An option or a file means the first command. To convert a file called "verify", type ./verify.
/// Throws Error(usage) if the word is neither a command nor an option, and cannot be a file: no
/// file has the name, and the name has neither a dot nor a slash.
Meant command_of(const std::string& first_word);

/// Throws Error(usage), which names the nearest command.
[[noreturn]] void refuse_command(const std::string& word);

/// The command called `name`, or null. Upper case counts as lower case.
const Command* find_command(const std::string& name);

}  // namespace aether2onnx::cli
