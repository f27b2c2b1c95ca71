/// @file
/// What a single conversion and a batch have in common: the command line's content, the conversion
/// with verification, the commands that are printed for pasting.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "console.h"
#include "invocation.h"
#include "verification.h"

namespace aether2onnx::cli {

/// What makes a conversion one of many.
struct BatchArguments {
  std::vector<std::filesystem::path> inputs;  ///< Files and folders.
  std::optional<std::string> output_dir;      ///< Unset: beside each input.
  std::optional<std::string> name_template;
  std::optional<std::int64_t> jobs;
  bool skip_existing = false;
};

struct ConvertArguments {
  bool is_batch = false;  ///< `batch` counts; `output` only where there is one input.
  BatchArguments batch;
  std::filesystem::path input;
  std::filesystem::path output;  ///< Empty: default_output_name() beside the input.
  ConvertOptions options;
  Limits limits;
  bool verify = false;
  bool keep_failed = false;
  bool dry_run = false;
  VerificationArguments verification;
  Printing printing;
  std::vector<GivenOption> given;
  /// What was made of the options that the user should know, one line each.
  std::vector<std::string> notes;
};

/// A conversion's files.
struct Paths {
  std::filesystem::path input;
  std::filesystem::path output;
};

/// The command that builds an engine with some release of TensorRT 10.
std::string trtexec_line(const ConvertReport& report);

/// The command that prints the line for another version, ONNX Runtime or a player.
std::string engine_line(const std::string& program, const ConvertReport& report);

/// The command that compares the saved model with its checkpoint.
std::string verify_line(const std::string& program, const ConvertArguments& arguments,
                        const std::filesystem::path& input, const ConvertReport& report);

/// Converts, with the comparison before the model is saved. A model that fails the comparison is
/// written once more under its other name where that was asked for.
ConvertReport convert_verified(const ConvertArguments& arguments, const Paths& paths,
                               Verification& verification, const std::string& command,
                               Console& console);

/// Prints the result object of a conversion; `verification` is null where there was none.
void print_conversion(const ConvertReport& report, const Verification* verification,
                      const std::string& verify_command, const std::string& trtexec_command);

}  // namespace aether2onnx::cli
