/// @file
/// Declares the table of the program's commands, such as `convert` and `verify`.
#pragma once

#include <span>

#include "invocation.h"

namespace aether2onnx::cli {

struct Command {
  const char* name = "";
  /// What the command does, in one line without a full stop. The help prints the line.
  const char* summary = "";
  /// The allowed arguments, split by spaces: "bash zsh fish". Empty if the arguments are files.
  const char* choices = "";
  void (*describe_as)(const char* own_name, const UseCommandLine& use) = nullptr;
  int (*run_as)(const char* own_name, const Invocation& invocation) = nullptr;

  /// Calls `use` with a command-line parser that contains the options of the command.
  void describe(const UseCommandLine& use) const { describe_as(name, use); }
  /// Runs the command with invocation.arguments. Returns the exit code; throws Error on failure.
  int run(const Invocation& invocation) const { return run_as(name, invocation); }
};

/// Returns all commands. The first command is `convert`, whose name the user may omit.
std::span<const Command> commands();

/// The command that the first argument on the command line selects, see command_of().
struct Meant {
  const Command* command = nullptr;
  bool is_named = false;  ///< Whether the first argument is the command's name.
};

/// Returns the command that `first_word` names, or `convert` if `first_word` is an option or a
/// file. Words with a dot, slash or "=" are never a command: for a file called "verify", type
/// ./verify. Throws Error(usage) if `first_word` is no command, no option and no file.
Meant command_of(const std::string& first_word);

/// Throws Error(usage), because `word` is not a command. The message suggests a similar command.
[[noreturn]] void refuse_command(const std::string& word);

/// Returns the command called `name`, in upper or lower case; null if there is no such command.
const Command* find_command(const std::string& name);

}  // namespace aether2onnx::cli
