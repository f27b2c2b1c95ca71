/// @file
/// Replaces the option names that a user typed by the command's own option names.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace aether2onnx::cli {

/// Returns an option's name with underscores instead of dashes: "--fp_mode" for "--fp-mode".
std::string with_underscores(std::string name);

/// Returns "; did you mean --scale?" if a name in `known` is similar to `name`, else a full stop.
std::string suggestion(const std::string& name, const std::vector<std::string>& known);

/// Maps an option to the name that the user typed, if it differs: "--fp_mode" to "--dtype".
using TypedNames = std::map<std::string, std::string>;

/// The names of the options that a command has, for resolve_names().
struct OptionNames {
  std::vector<std::string> known;        ///< All names, with dashes.
  std::vector<std::string> scripts_own;  ///< The names in the older script aether2onnx.py.
  std::string help;                      ///< The command line that lists the options, for messages.
};

/// Returns `arguments` with the command's own option names, up to the first "--". Adds the names
/// that were replaced to `typed`. Throws Error(usage) if a name fits no option or several options.
std::vector<std::string> resolve_names(const std::vector<std::string>& arguments,
                                       const OptionNames& names, TypedNames& typed);

}  // namespace aether2onnx::cli
