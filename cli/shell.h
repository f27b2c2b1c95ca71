/// @file
/// Command lines for pasting into a shell.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace aether2onnx::cli {

enum class Shell {
  bash,        ///< And other POSIX shells that know $'…', as zsh.
  powershell,  ///< 5.1 and newer.
  cmd,         ///< Windows' own, at its prompt.
};

/// The shell that people here use: PowerShell on Windows, else bash.
Shell usual_shell();

/// "bash", "powershell" or "cmd".
std::string_view to_string(Shell shell) noexcept;

/// Throws Error(usage), naming `option`.
Shell parse_shell(const std::string& text, const std::string& option);

/// The program and its arguments as one line; whatever is in them, the shell hands them over
/// unchanged and does nothing else.
///
/// Throws Error(unsupported) where that can't be said in this shell: control characters, invalid
/// UTF-8 and direction overrides in PowerShell and cmd; in cmd also '%', which expands variables
/// even in quotes, and '"'.
std::string shell_line(const std::vector<std::string>& words, Shell shell = Shell::bash);

}  // namespace aether2onnx::cli
