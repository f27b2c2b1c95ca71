/// @file
/// Declares types for the program's command line, options, errors and exit codes.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace aether2onnx::cli {

class CommandLine;

/// The exit codes of the program. kAsAssumed: the program compared a model with its checkpoint, and
/// assumed a setting such as res_scale, because the checkpoint does not prove the setting's value.
/// The model equals the checkpoint if the assumed value is right.
enum ExitCode { kDone = 0, kFailed = 1, kWrongUsage = 2, kAsAssumed = 3 };

/// An error of the program for which the library has no ErrorKind. `name` is the kind in the JSON
/// output: "engine" (building an engine failed) or "verification" (comparing failed).
struct ProgramError : Error {
  ProgramError(std::string kind_name, Diagnostic what, std::vector<Diagnostic> all_findings = {})
      : Error(ErrorKind::unsupported, std::move(what), std::move(all_findings)),
        name(std::move(kind_name)) {}

  std::string name;
};

/// The command line that started aether2onnx: the program, the command and the arguments.
struct Invocation {
  std::string program;  ///< aether2onnx as the user typed it, for command lines in messages.
  std::string command;  ///< The command's name; "" if the user typed no name.
  std::vector<std::string> arguments;
};

/// A text that the program prints for --help or --version, instead of doing the command's work.
struct Answer {
  std::string text;
};

/// The values of the options that choose what to print: --quiet, --json, --verbose, --supervised.
struct Printing {
  bool quiet = false;
  bool json = false;
  bool verbose = false;
  bool supervised = false;  ///< Another program runs aether2onnx and reads JSON events.
};

/// An option that the user gave on the command line or in a configuration file (--config).
struct GivenOption {
  std::string name;        ///< The name without dashes: "fp_mode".
  std::string value;       ///< The value as the user wrote it; "true" or "false" for flags.
  std::string origin;      ///< "command line", or the name of the configuration file.
  std::string group = {};  ///< The option's heading in the help.
};

/// A description of an option, for the help, the manual page and the shells' completion.
struct OptionDescription {
  std::vector<std::string> names;  ///< The names with dashes: "-h", "--help".
  std::string group;
  std::string description;  ///< The text, with the line breaks of the help.
  std::string type;         ///< The kind of the value: "FILE", "N", "fp32|fp16"; "" for flags.
  std::vector<std::string> offered = {};  ///< Values for completion, if `type` has none.
};

/// Returns whether --json is in `arguments`. The program calls this function before it parses the
/// arguments, because an error of the parser must also be printed as JSON.
bool wants_json(const std::vector<std::string>& arguments);
/// Returns whether --supervised is in `arguments`. If so, the end of standard input cancels the
/// command. The program calls this function before it parses the arguments, so that the program
/// watches standard input from the start.
bool is_supervised(const std::vector<std::string>& arguments);

/// A function to which Command::describe() passes the command-line parser of a command. The parser
/// knows the command's options, but has parsed no arguments.
using UseCommandLine = std::function<void(const CommandLine& line)>;

}  // namespace aether2onnx::cli
