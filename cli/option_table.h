/// @file
/// The table of all commands' options, for the completion scripts and the manual page.
#pragma once

#include <string>
#include <vector>

#include "commands.h"

namespace aether2onnx::cli {

/// One command, with its options in the order of the help. Each description is one line.
struct CommandOptions {
  Command command;
  std::string usage;
  std::vector<OptionDescription> options;
};

std::vector<CommandOptions> option_table();

/// Returns `text` with a backslash before each character of `special`.
std::string escaped(const std::string& text, const std::string& special);

/// These functions return the completion script of a shell, the manual page for man, or a page in
/// Markdown: the table of all options, or the table of all fields of --json.
std::string bash_script(const std::vector<CommandOptions>& table);
std::string zsh_script(const std::vector<CommandOptions>& table);
std::string fish_script(const std::vector<CommandOptions>& table);
std::string manual_page(const std::vector<CommandOptions>& table);
std::string options_page(const std::vector<CommandOptions>& table);
std::string json_page();

}  // namespace aether2onnx::cli
