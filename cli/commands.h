/// @file
/// The table of the program's commands.
#pragma once

#include <span>

#include "invocation.h"

namespace aether2onnx::cli {

struct Command {
  const char* name = "";
  /// What the command does: one line without a full stop, for lists of commands.
  const char* summary = "";
  /// The allowed arguments, "bash zsh fish", if the command takes no files. Otherwise empty.
  const char* choices = "";
  void (*describe_as)(const char* own_name, const UseCommandLine& use) = nullptr;
  int (*run_as)(const char* own_name, const Invocation& invocation) = nullptr;

  /// Calls `use` with the command's options.
  void describe(const UseCommandLine& use) const { describe_as(name, use); }
  /// Does the work of the command. Returns the exit code; throws Error on failure.
  int run(const Invocation& invocation) const { return run_as(name, invocation); }
};

/// Returns all commands. The first is `convert`, whose name the user may omit.
std::span<const Command> commands();

/// The command that the first argument selects.
struct Meant {
  const Command* command = nullptr;
  bool is_named = false;  ///< Whether this argument is the command's name.
};

/// Returns the command that `first_word` names. For an option or a file, returns the first command.
/// To convert a file called "verify", type ./verify. Throws Error(usage) if the word is no command,
/// no option and no file: no file has this name, and the name contains neither a dot nor a slash.
Meant command_of(const std::string& first_word);

/// Throws Error(usage): there is no such command. The message names the most similar command.
[[noreturn]] void refuse_command(const std::string& word);

/// Returns the command called `name`, in upper or lower case, or null if there is none.
const Command* find_command(const std::string& name);

}  // namespace aether2onnx::cli
