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

/// Maps the command's own name of an option to the name that the user typed, if the two names
/// differ: "--fp_mode" to "--dtype".
using TypedNames = std::map<std::string, std::string>;

/// The names of the options that a command has, for resolve_names().
struct OptionNames {
  std::vector<std::string> known;        ///< All names, with dashes.
  std::vector<std::string> scripts_own;  ///< The names in the older script aether2onnx.py.
  std::string help;                      ///< The command line that lists the options, for messages.
};

/// Returns `arguments`, in which the command's own option names replace the typed names up to the
/// first argument "--". Adds the replaced names to `typed`. Throws Error(usage) if a typed name
/// fits no option or several options.
std::vector<std::string> resolve_names(const std::vector<std::string>& arguments,
                                       const OptionNames& names, TypedNames& typed);

}  // namespace aether2onnx::cli
