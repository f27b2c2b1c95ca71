/// @file
/// What commands that make one file from one checkpoint have in common: the two files, named by
/// option or by position, and what the checkpoint is expected to be.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <string>
#include <vector>

#include "command_line.h"

namespace aether2onnx::cli {

/// The two files. It must outlive the parsing.
class FileArguments {
 public:
  /// `made` is what the command makes ("ONNX file"), `usage` its usage in one line.
  FileArguments(std::string made, std::string usage)
      : made_(std::move(made)), usage_(std::move(usage)) {}

  /// Adds --input_model_path, the option that names the output, and the positional arguments.
  void add_to(CommandLine& line, const std::string& output_option, const std::string& output_help);

  /// As the options name them, "" where they don't.
  const std::string& input() const { return input_; }
  const std::string& output() const { return output_; }
  [[noreturn]] void fail_without_input() const;

  /// Gives the files once the command line is parsed; the output is empty where none was named.
  /// Throws Error(usage) where there is no input, or an argument too many.
  void take(std::vector<std::string> positionals, std::filesystem::path& input,
            std::filesystem::path& output) const;

 private:
  std::string made_;
  std::string usage_;
  std::string input_;
  std::string output_;
};

/// Adds --params_key and what decides of a checkpoint what it leaves open, in this group.
void add_read_options(CommandLine& line, ReadOptions& options, const std::string& group,
                      bool with_dequantize = true);

/// The same options as words of a command line, those that are set.
std::vector<std::string> read_option_words(const ReadOptions& options);

/// Adds --model_type, --scale, --input_channels, and add_read_options().
void add_network_options(CommandLine& line, Expectations& expect, ReadOptions& read);

}  // namespace aether2onnx::cli
