/// @file
/// The parser of a command's line: how options are spelled, help, errors, the options that say what
/// is printed. CLI11 does the parsing, and is known to command_line.cpp alone: its templates take
/// long to compile.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "invocation.h"

namespace CLI {
class Option;
}

namespace aether2onnx::cli {

/// An option while it is added, to say more of it.
class AddedOption {
 public:
  explicit AddedOption(CLI::Option* option) : option_(option) {}

  /// The heading in the help below which it stands.
  AddedOption& group(const std::string& name);
  /// What stands for the value in the help: "FILE", "N", "fp32|fp16".
  AddedOption& type_name(const std::string& name);
  /// Every value counts, not the last alone.
  AddedOption& repeatable();
  /// A value is a list with `delimiter` between its items; every value's items count.
  AddedOption& list(char delimiter);

 private:
  CLI::Option* option_;
};

/// What there is to know of an option, without its value.
struct OptionDescription {
  std::vector<std::string> short_names;  ///< "h"
  std::vector<std::string> long_names;   ///< "help"
  std::string group;
  std::string description;  ///< In the help's own lines.
  std::string type;         ///< As in the help: "FILE", "N", "fp32|fp16"; "" for flags.
  bool is_flag = false;
};

/// The parser of one command. Dashes count as underscores, and as in Python's argparse the start of
/// an option's name stands for it where no other begins so. Of a repeated option the last counts.
class CommandLine {
 public:
  /// `usage` and `footer` stand before and after the options in the help.
  CommandLine(const std::string& description, std::string usage, const std::string& footer);
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;
  ~CommandLine();

  /// Adds an option with a value, which parse() puts into `value`; an option that isn't given
  /// leaves it as it is. `name` has its dashes, `text` is for the help and may have several lines.
  AddedOption add_option(const std::string& name, std::string& value, const std::string& text);
  AddedOption add_option(const std::string& name, std::optional<std::string>& value,
                         const std::string& text);
  AddedOption add_option(const std::string& name, std::optional<int>& value,
                         const std::string& text);
  AddedOption add_option(const std::string& name, std::optional<std::int64_t>& value,
                         const std::string& text);
  AddedOption add_option(const std::string& name, std::optional<std::uint64_t>& value,
                         const std::string& text);
  AddedOption add_option(const std::string& name, std::optional<double>& value,
                         const std::string& text);
  /// For options that are repeatable() or a list().
  AddedOption add_option(const std::string& name, std::vector<std::string>& values,
                         const std::string& text);
  /// Adds an option without a value.
  AddedOption add_flag(const std::string& name, bool& value, const std::string& text);
  /// Adds the positional arguments; they are in positionals() after parse().
  void add_positionals(const std::string& description);
  /// Adds --help and --version.
  void add_help();
  /// Adds --config, and the options that say what is printed; the caller may leave out --verbose.
  void add_printing(Printing& printing, const std::string& verbose_text);

  /// Parses. Throws Error(usage). Gives an Answer for --help and --version.
  std::optional<Answer> parse(const std::vector<std::string>& arguments);

  const std::vector<std::string>& positionals() const;
  /// What was given on the command line and in the file of --config, in the order of the help.
  std::vector<GivenOption> given() const;
  /// The options in the order of the help.
  std::vector<OptionDescription> options() const;
  const std::string& usage() const;

 private:
  class ConfigFile;
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace aether2onnx::cli
