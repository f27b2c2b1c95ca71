/// @file
/// How the program was called, and how a command answers: what all of the program knows, without
/// the parser (command_line.h).
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace aether2onnx::cli {

class CommandLine;

enum ExitCode { kDone = 0, kFailed = 1, kWrongUsage = 2 };

/// How the program was called.
struct Invocation {
  std::string program;  ///< As it was typed, for commands that are to be pasted.
  std::string command;  ///< The command's name, "" where none was given.
  std::vector<std::string> arguments;
};

/// What to do instead of the work: print `text` and end with success.
struct Answer {
  std::string text;
};

/// --quiet, --json and --verbose.
struct Printing {
  bool quiet = false;
  bool json = false;
  bool verbose = false;
};

/// An option that was given, and where.
struct GivenOption {
  std::string name;    ///< Without dashes, "fp_mode".
  std::string value;   ///< As it was given; "true" or "false" for flags.
  std::string origin;  ///< "command line", or the configuration file's name.
};

/// Whether --json stands on the command line; known before parsing, which may fail.
bool wants_json(const std::vector<std::string>& arguments);

[[noreturn]] void usage_error(const std::string& message);

/// An error of the program itself. Its kind in the JSON output is `name`, "engine" or
/// "verification"; the library has no such kinds.
struct ProgramError : Error {
  ProgramError(std::string kind_name, Diagnostic what, std::vector<Diagnostic> all_findings = {})
      : Error(ErrorKind::unsupported, std::move(what), std::move(all_findings)),
        name(std::move(kind_name)) {}

  std::string name;
};

/// Takes the options of a command, unparsed.
using UseCommandLine = std::function<void(const CommandLine& line)>;

/// The decimal digits alone: no sign, no space.
bool is_number(std::string_view text);

}  // namespace aether2onnx::cli
