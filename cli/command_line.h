/// @file
/// The parser of a command's line: how options are spelled, help, errors, the options that say what
/// is printed.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "invocation.h"

namespace aether2onnx::cli {

/// The parser of one command. Dashes count as underscores, and as in Python's argparse the start of
/// an option's name stands for it where no other begins so. Of a repeated option the last counts.
class CommandLine {
 public:
  /// `usage` and `footer` stand before and after the options in the help.
  CommandLine(const std::string& description, std::string usage, const std::string& footer);

  /// To add options to, by CLI11's own functions.
  CLI::App& app() { return app_; }
  const CLI::App& app() const { return app_; }
  const std::string& usage() const { return usage_; }
  /// Adds the positional arguments; they are in positionals() after parse().
  void add_positionals(const std::string& description);
  /// Adds --help and --version.
  void add_help();
  /// Adds --config, and the options that say what is printed; the caller may leave out --verbose.
  void add_printing(Printing& printing, const std::string& verbose_text);

  /// Parses. Throws Error(usage). Gives an Answer for --help and --version.
  std::optional<Answer> parse(const std::vector<std::string>& arguments);

  const std::vector<std::string>& positionals() const { return positionals_; }
  /// What was given on the command line and in the file of --config, in the order of the help.
  std::vector<GivenOption> given() const;

 private:
  class ConfigFile;
  bool from_file(const std::string& name) const;
  std::string config_name() const;
  std::vector<std::string> configurable_names() const;

  std::vector<std::string> in_file_;  // options that the file decided
  CLI::App app_;
  std::string usage_;
  std::vector<std::string> positionals_;
  bool help_ = false;
  bool version_ = false;
};

}  // namespace aether2onnx::cli
