/// @file
/// The table of all commands' options. Completion scripts and the manual page print it.
#pragma once

#include <string>
#include <vector>

#include "commands.h"

namespace aether2onnx::cli {

/// One command, with its options in the order of the help. Descriptions are one line.
struct CommandOptions {
  Command command;
  std::string usage;
  std::vector<OptionDescription> options;
};

std::vector<CommandOptions> option_table();

/// Returns `text` with a backslash before each character of `special`.
std::string escaped(const std::string& text, const std::string& special);

/// The completion scripts, the manual page for man, and the tables of options and of the fields of
/// --json in Markdown.
std::string bash_script(const std::vector<CommandOptions>& table);
std::string zsh_script(const std::vector<CommandOptions>& table);
std::string fish_script(const std::vector<CommandOptions>& table);
std::string manual_page(const std::vector<CommandOptions>& table);
std::string options_page(const std::vector<CommandOptions>& table);
std::string json_page();

}  // namespace aether2onnx::cli
