/// @file
/// The types for the program's command line, options, errors and exit codes.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace aether2onnx::cli {

class CommandLine;

/// The exit codes of the program. kAsAssumed: done, but the verdict depends on assumptions.
enum ExitCode { kDone = 0, kFailed = 1, kWrongUsage = 2, kAsAssumed = 3 };

/// An error of a kind that the library does not have. `name` is the kind in the JSON output:
/// "engine" or "verification".
struct ProgramError : Error {
  ProgramError(std::string kind_name, Diagnostic what, std::vector<Diagnostic> all_findings = {})
      : Error(ErrorKind::unsupported, std::move(what), std::move(all_findings)),
        name(std::move(kind_name)) {}

  std::string name;
};

/// The command line that started the program, in parts.
struct Invocation {
  std::string program;  ///< The program as the user typed it, for commands in messages.
  std::string command;  ///< The command's name, "" if none was typed.
  std::vector<std::string> arguments;
};

/// A text that the program prints for --help or --version, instead of doing the command's work.
struct Answer {
  std::string text;
};

/// The values of the options --quiet, --json, --verbose and --supervised.
struct Printing {
  bool quiet = false;
  bool json = false;
  bool verbose = false;
  bool supervised = false;  ///< Another program runs aether2onnx and reads events.
};

/// An option that the user gave, and where it was given.
struct GivenOption {
  std::string name;        ///< The name without dashes: "fp_mode".
  std::string value;       ///< The value as the user wrote it; "true" or "false" for flags.
  std::string origin;      ///< "command line", or the name of the configuration file.
  std::string group = {};  ///< The option's heading in the help.
};

/// An option as the help describes it.
struct OptionDescription {
  std::vector<std::string> names;  ///< The names with dashes: "-h", "--help".
  std::string group;
  std::string description;  ///< The text, with the line breaks of the help.
  std::string type;         ///< The value in the help: "FILE", "N", "fp32|fp16"; "" for flags.
  std::vector<std::string> offered = {};  ///< Values for completion, instead of those in `type`.
};

/// Returns whether --json is on the command line. Needed before parsing, because parsing may fail.
bool wants_json(const std::vector<std::string>& arguments);
/// Returns whether --supervised is on the command line. Needed before parsing, too.
bool is_supervised(const std::vector<std::string>& arguments);

/// A function that gets the options of a command. No arguments have been parsed.
using UseCommandLine = std::function<void(const CommandLine& line)>;

}  // namespace aether2onnx::cli
