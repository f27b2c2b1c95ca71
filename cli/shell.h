/// @file
/// Command lines for pasting into a shell, and paths for people.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "invocation.h"

namespace aether2onnx::cli {

enum class Shell {
  bash,        ///< Also zsh and other POSIX shells that know $'…'.
  powershell,  ///< 5.1 and newer.
  cmd,         ///< Windows' own, at its prompt.
};

/// The shell that the program was started from, as far as the environment tells: PowerShell, cmd or
/// Git's bash on Windows. bash elsewhere.
Shell usual_shell();

/// "bash", "powershell" or "cmd".
std::string_view to_string(Shell shell) noexcept;

/// Returns the program and its arguments as one line. The shell passes every argument on unchanged
/// and does nothing else.
///
/// Throws Error(unsupported) for arguments that the shell's line can't hold. PowerShell and cmd:
/// control characters, invalid UTF-8 and direction overrides. cmd also: '"', and '%', which expands
/// variables even in quotes.
std::string shell_line(const std::vector<std::string>& words, Shell shell);

/// The line for the usual shell. Arguments that cmd or PowerShell can't hold are written for bash.
std::string shell_line(const std::vector<std::string>& words);

/// The command line as it was typed, for the usual shell.
std::string command_line_text(const Invocation& invocation);

/// A path for people, with escapes in place of everything that a terminal would act on.
std::string shown(const std::filesystem::path& path);

/// A path as an argument. A path that looks like an option gets "./" before it.
std::string argument_path(const std::filesystem::path& path);

}  // namespace aether2onnx::cli
