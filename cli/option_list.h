/// @file
/// The options of a command as completion scripts and the manual page need them.
#pragma once

#include <string>
#include <vector>

#include "command_line.h"
#include "commands.h"

namespace aether2onnx::cli {

/// What stands behind an option.
enum class ValueKind { none, file, folder, choice, other };

/// The description is in one line.
struct OptionEntry : OptionDescription {
  ValueKind kind = ValueKind::none;
  std::vector<std::string> choices;  ///< Of a choice.
};

/// The options of the command in the order of its help. The kind of a value follows from its type's
/// name: FILE, DIR, or choices with bars between them.
std::vector<OptionEntry> options_of(const Command& command);

/// The command's own usage lines.
std::string usage_of(const Command& command);

/// `text` at its white space.
std::vector<std::string> words_of(const std::string& text);

}  // namespace aether2onnx::cli
