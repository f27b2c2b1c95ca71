/// @file
/// The command line: every option of the reference script under its name, and our own.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <optional>
#include <string>
#include <vector>

namespace aether2onnx::cli {

struct Arguments {
  std::filesystem::path input;
  std::filesystem::path output;  ///< Empty: default_output_name() beside the input.
  Options options;

  bool verify = false;
  double atol = 1e-3;
  double rtol = 1e-5;
  bool atol_given = false;
  bool rtol_given = false;
  std::string device;  ///< As given, "" where it wasn't.
  std::filesystem::path onnxruntime_library;

  bool quiet = false;
  bool json = false;
  bool verbose = false;

  /// What was made of the options that the user should know, one line each.
  std::vector<std::string> notes;
};

/// What to do instead of a conversion: print `text` and end with `exit_code`.
struct Answer {
  std::string text;
  int exit_code = 0;
};

/// Whether --json stands on the command line; known before parsing, which may fail.
bool wants_json(const std::vector<std::string>& arguments);

/// Parses the command line (without the program's name). Throws Error(usage).
/// Gives an Answer for --help and --version.
std::optional<Answer> parse(const std::vector<std::string>& arguments, Arguments& result);

}  // namespace aether2onnx::cli
