/// @file
/// Declares a table with the options of all commands, and functions that return this table as
/// completion scripts, as a manual page or in Markdown.
#pragma once

#include <string>
#include <vector>

#include "commands.h"

namespace aether2onnx::cli {

/// A command with its options. The options are in the order of the command's help. Each option's
/// description is one line.
struct CommandOptions {
  Command command;
  std::string usage;
  std::vector<OptionDescription> options;
};

std::vector<CommandOptions> option_table();

/// Returns `text` with a backslash before each character that occurs in `special`.
std::string escaped(const std::string& text, const std::string& special);

/// These three functions return the completion script for a shell.
std::string bash_script(const std::vector<CommandOptions>& table);
std::string zsh_script(const std::vector<CommandOptions>& table);
std::string fish_script(const std::vector<CommandOptions>& table);
/// Returns the manual page, for the program `man`.
std::string manual_page(const std::vector<CommandOptions>& table);
/// Returns a page in Markdown that lists all options.
std::string options_page(const std::vector<CommandOptions>& table);
/// Returns a page in Markdown that lists all fields in the output of --json.
std::string json_page();

}  // namespace aether2onnx::cli
