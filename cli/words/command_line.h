/// @file
/// The parser of a command's line. CLI11 does the parsing, and only command_line.cpp includes
/// CLI11: its templates take long to compile.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "../invocation.h"

namespace aether2onnx::cli {

/// The parser of one command. Dashes count as underscores. As in Python's argparse, the start of an
/// option's name is enough if no other name begins so. Names from other programs (other_names.h)
/// are understood, or answered with the option to use. Of a repeated option the last value counts.
class CommandLine {
 public:
  /// `command` is the command's name, for messages.
  explicit CommandLine(std::string command);
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;
  ~CommandLine();

  /// Sets the texts of the help: `usage` and `footer` stand before and after the options.
  void describe(const std::string& description, const std::string& usage,
                const std::string& footer);

  /// Sets the heading in the help for all options that are added next.
  void group(const std::string& heading);

  /// parse() puts an option's value here. An option that is not given leaves it unchanged.
  using Value =
      std::variant<std::string*, std::filesystem::path*, std::optional<std::string>*,
                   std::optional<int>*, std::optional<std::int64_t>*, std::optional<std::uint64_t>*,
                   std::optional<double>*, std::vector<std::string>*>;

  /// Adds an option with a value. `name` has its dashes. `type` stands for the value in the help.
  /// `text` may have several lines. A vector takes the values of a repeated option.
  void add(const std::string& name, Value value, const std::string& type, const std::string& text);
  /// Adds an option whose values are lists with commas between their items.
  void add_list(const std::string& name, std::vector<std::string>& items, const std::string& type,
                const std::string& text);
  void add_flag(const std::string& name, bool& value, const std::string& text);
  /// Has the shells offer `values` for the option. parse() accepts other values, too.
  void complete(const std::string& name, std::vector<std::string> values);

  /// Adds an option whose value is the to_string() of one of `choices`.
  template <typename Choice, std::size_t count, typename Chosen>
  void add_choice(const std::string& name, const std::array<Choice, count>& choices, Chosen& chosen,
                  const std::string& text) {
    std::vector<std::string> names;
    for (const Choice choice : choices) names.emplace_back(to_string(choice));
    add_choice_of(name, names, text, [=, &chosen](std::size_t at) { chosen = choices.at(at); });
  }

  /// Sets the options that --help lists, in this order. --help-all lists all of them, by group.
  /// Without this call --help lists all options.
  void show_in_help(std::vector<std::string> names);
  /// Sets the options of the reference script. An abbreviation that is unambiguous among them keeps
  /// its meaning.
  void set_script_options(std::vector<std::string> names);

  /// Adds --help, --help-all and --version.
  void add_help();
  /// Adds --config, and the options for what is printed. An empty `verbose_text` leaves out
  /// --verbose.
  void add_printing(Printing& printing, const std::string& verbose_text = "");

  /// Has parse() call `step` after the values are in place, unless an Answer is returned.
  void then(std::function<void()> step);

  /// Parses. Throws Error(usage). Returns an Answer for --help and --version.
  std::optional<Answer> parse(const std::vector<std::string>& arguments);

  /// The arguments that are no options.
  const std::vector<std::string>& positionals() const;
  /// The files that options were read from: the file of --config.
  std::vector<std::filesystem::path> inputs() const;
  /// The options on the command line and in the file of --config, in the order of the help.
  std::vector<GivenOption> given() const;
  bool given(const std::string& name) const;
  /// The options in the order of the help.
  std::vector<OptionDescription> options() const;
  const std::string& usage() const;
  /// The text of --help, or of --help-all.
  std::string help(bool all) const;
  /// Throws Error(usage) if `word`, an argument that is no option, looks like an option without its
  /// dashes: "half=True".
  void refuse_assignment(const std::string& word) const;

 private:
  class ConfigFile;
  struct Parser;

  void add_choice_of(const std::string& name, const std::vector<std::string>& choices,
                     const std::string& text, std::function<void(std::size_t)> choose);

  std::unique_ptr<Parser> parser_;
};

}  // namespace aether2onnx::cli
