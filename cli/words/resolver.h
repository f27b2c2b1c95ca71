/// @file
/// The names on a command line as the command's own options.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace aether2onnx::cli {

/// An option's name with underscores for dashes: "--fp_mode".
std::string with_underscores(std::string name);

/// "; did you mean --scale?" if one of the names is close, else a full stop.
std::string suggestion(const std::string& name, const std::vector<std::string>& known);

/// Options by the names of other programs that were typed for them: "--fp_mode" to "--dtype".
using TypedNames = std::map<std::string, std::string>;

/// The options that a command has.
struct OptionNames {
  std::vector<std::string> known;        ///< With their dashes.
  std::vector<std::string> scripts_own;  ///< Those of the reference script.
  std::string help;                      ///< The call that lists them.
};

/// Replaces the words before the first "--" by the command's own options. Adds to `typed`. Throws
/// Error(usage) for a word that names none or several of them.
std::vector<std::string> resolve_names(const std::vector<std::string>& arguments,
                                       const OptionNames& names, TypedNames& typed);

}  // namespace aether2onnx::cli
