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

/// Returns the shell that probably started aether2onnx. On Windows, environment variables tell
/// whether it is PowerShell, cmd or Git's bash. On other systems, the result is bash.
Shell usual_shell();

/// Returns "bash", "powershell" or "cmd".
std::string_view to_string(Shell shell) noexcept;

/// Returns a command line for `shell` that runs a program: `words` are the program and its
/// arguments. The shell passes every argument to the program unchanged, and does nothing else.
///
/// Throws Error(unsupported) if `shell` cannot express an argument. PowerShell and cmd cannot
/// express control characters, invalid UTF-8 and Unicode direction overrides. cmd also cannot
/// express '"', or '%', because '%' expands variables even in quotes.
std::string shell_line(const std::vector<std::string>& words, Shell shell);

/// Returns a command line for the shell that usual_shell() returns. If this shell cannot express an
/// argument, the command line is for bash.
std::string shell_line(const std::vector<std::string>& words);

/// Returns the command line that the user typed. shell_line() quotes the arguments.
std::string command_line_text(const Invocation& invocation);

/// Returns `path` as text that is safe in messages. Escapes such as \x1b replace invalid UTF-8 and
/// invisible characters, because a terminal could act on such characters.
std::string shown(const std::filesystem::path& path);

/// Returns `path` as an argument for a command line. If the path begins with a dash, adds "./",
/// because programs read an argument that begins with a dash as an option.
std::string argument_path(const std::filesystem::path& path);

}  // namespace aether2onnx::cli
