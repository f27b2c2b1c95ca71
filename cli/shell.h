/// @file
/// Writes command lines that a user can paste into a shell, and paths for messages.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "invocation.h"

namespace aether2onnx::cli {

enum class Shell {
  bash,        ///< Also for zsh and other POSIX shells that support $'…'.
  powershell,  ///< PowerShell 5.1 and newer.
  cmd,         ///< The prompt of cmd.exe on Windows.
};

/// Returns the shell that probably started the program. On Windows, environment variables decide
/// between PowerShell, cmd and Git's bash. On other systems, the result is bash.
Shell usual_shell();

/// Returns "bash", "powershell" or "cmd".
std::string_view to_string(Shell shell) noexcept;

/// Returns one line that runs a program: `words` are the program and its arguments. The shell
/// passes every argument to the program unchanged, and does nothing else.
///
/// Throws Error(unsupported) if a line of the shell cannot contain an argument. PowerShell and cmd
/// cannot contain control characters, invalid UTF-8 and Unicode direction overrides. cmd also
/// cannot contain '"', or '%', which expands variables even in quotes.
std::string shell_line(const std::vector<std::string>& words, Shell shell);

/// Returns the line for usual_shell(), or for bash if that shell cannot contain an argument.
std::string shell_line(const std::vector<std::string>& words);

/// Returns the command line that the user typed, as a line for usual_shell().
std::string command_line_text(const Invocation& invocation);

/// Returns a path for messages. Escapes replace all characters that a terminal would act on.
std::string shown(const std::filesystem::path& path);

/// Returns a path as an argument. A path that begins with a dash gets the prefix "./".
std::string argument_path(const std::filesystem::path& path);

}  // namespace aether2onnx::cli
