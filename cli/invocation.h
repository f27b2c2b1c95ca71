/// @file
/// How the program was called, and how a command answers.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace aether2onnx::cli {

class CommandLine;

/// kAsAssumed: done, but the verdict depends on assumptions.
enum ExitCode { kDone = 0, kFailed = 1, kWrongUsage = 2, kAsAssumed = 3 };

/// An error of the program itself. Its kind in the JSON output is `name`, "engine" or
/// "verification"; the library has no such kinds.
struct ProgramError : Error {
  ProgramError(std::string kind_name, Diagnostic what, std::vector<Diagnostic> all_findings = {})
      : Error(ErrorKind::unsupported, std::move(what), std::move(all_findings)),
        name(std::move(kind_name)) {}

  std::string name;
};

/// How the program was called.
struct Invocation {
  std::string program;  ///< As it was typed, for commands that are to be pasted.
  std::string command;  ///< The command's name, "" if none was typed.
  std::vector<std::string> arguments;
};

/// Takes the place of the work: print `text` and end with success.
struct Answer {
  std::string text;
};

/// --quiet, --json, --verbose and --supervised.
struct Printing {
  bool quiet = false;
  bool json = false;
  bool verbose = false;
  bool supervised = false;  ///< Another program runs this one and reads its events.
};

/// An option that was given, and where.
struct GivenOption {
  std::string name;        ///< Without dashes, "fp_mode".
  std::string value;       ///< As it was given; "true" or "false" for flags.
  std::string origin;      ///< "command line", or the configuration file's name.
  std::string group = {};  ///< Its heading in the help.
};

/// An option without its value.
struct OptionDescription {
  std::vector<std::string> names;  ///< As they are typed: "-h", "--help".
  std::string group;
  std::string description;  ///< With the help's line breaks.
  std::string type;         ///< As in the help: "FILE", "N", "fp32|fp16"; "" for flags.
  std::vector<std::string> offered = {};  ///< Values for completion, beside those of the type.
};

/// Whether --json is on the command line. The program asks before parsing, which may fail.
bool wants_json(const std::vector<std::string>& arguments);
/// The same for --supervised.
bool is_supervised(const std::vector<std::string>& arguments);

/// Takes a command's options before any parsing.
using UseCommandLine = std::function<void(const CommandLine& line)>;

}  // namespace aether2onnx::cli
