/// @file
/// Translates the option names that a user may type (abbreviations, aliases, names of other
/// programs) to the command's own option names.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace aether2onnx::cli {

/// Returns an option's name with underscores instead of dashes: "--fp_mode" for "--fp-mode".
std::string with_underscores(std::string name);

/// Returns "; did you mean --scale?" if a name in `known` is similar to `name`, else a full stop.
std::string suggestion(const std::string& name, const std::vector<std::string>& known);

/// Maps the command's own name of an option to another program's name that the user typed:
/// "--fp_mode" to "--dtype". Abbreviations of own names are not in the map.
using TypedNames = std::map<std::string, std::string>;

/// The names of the options that a command has, for resolve_names().
struct OptionNames {
  std::vector<std::string> known;        ///< All names, with dashes.
  std::vector<std::string> scripts_own;  ///< The names in the older script aether2onnx.py.
  std::string help;                      ///< The command line that lists the options, for messages.
};

/// Returns `arguments` with the command's own option names instead of the typed names. Arguments
/// after the first "--" are not changed. Adds the replaced names to `typed`, except abbreviations.
/// Throws Error(usage) if a typed name fits no option or several options.
std::vector<std::string> resolve_names(const std::vector<std::string>& arguments,
                                       const OptionNames& names, TypedNames& typed);

}  // namespace aether2onnx::cli
