/// @file
/// Parses the arguments of a command (options and file names) with the library CLI11. Only
/// command_line.cpp includes CLI11, because CLI11's templates take long to compile.
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

/// The command-line parser of one command. In an option's name, a dash equals an underscore. As in
/// Python's argparse, a name may be shortened if only one option begins with the shortened name.
/// The user may also type an option name of another program, if other_names.h lists an equivalent
/// option of the command. If other_names.h lists only advice, the error message contains this
/// advice. If an option is repeated, the last value is used, except for vectors (see add()).
class CommandLine {
 public:
  /// `command` is the name of the command for messages, such as "verify".
  explicit CommandLine(std::string command);
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;
  ~CommandLine();

  /// Sets the help's texts. The help prints `usage` before the options, `footer` after the options.
  void describe(const std::string& description, const std::string& usage,
                const std::string& footer);

  /// Sets the heading in the help for all options that are added after this call.
  void group(const std::string& heading);

  /// A pointer to the variable of an option. parse() sets the variable only if the option is given.
  using Value =
      std::variant<std::string*, std::filesystem::path*, std::optional<std::string>*,
                   std::optional<int>*, std::optional<std::int64_t>*, std::optional<std::uint64_t>*,
                   std::optional<double>*, std::vector<std::string>*>;

  /// Adds an option with a value. `name` includes the dashes. The help shows `type` ("FILE") for
  /// the value, and describes the option by `text`. A vector gets all values of a repeated option.
  void add(const std::string& name, Value value, const std::string& type, const std::string& text);
  /// Adds an option whose value is a list, separated by commas. parse() stores the list in `items`.
  void add_list(const std::string& name, std::vector<std::string>& items, const std::string& type,
                const std::string& text);
  void add_flag(const std::string& name, bool& value, const std::string& text);
  /// Sets the values that a shell's completion offers for the option. parse() also accepts other
  /// values.
  void complete(const std::string& name, std::vector<std::string> values);

  /// Adds an option with which the user chooses an element of `choices`. The user types the name
  /// that to_string() gives the element. parse() stores the element in `chosen`.
  template <typename Choice, std::size_t count, typename Chosen>
  void add_choice(const std::string& name, const std::array<Choice, count>& choices, Chosen& chosen,
                  const std::string& text) {
    std::vector<std::string> names;
    for (const Choice choice : choices) names.emplace_back(to_string(choice));
    add_choice_of(name, names, text, [=, &chosen](std::size_t at) { chosen = choices.at(at); });
  }

  /// Sets the options that --help lists, in the order of `names`. --help-all lists all options, by
  /// group. If this function is not called, --help lists all options.
  void show_in_help(std::vector<std::string> names);
  /// Sets `names` as the options of the older script aether2onnx.py. Command lines for the script
  /// must keep their meaning. Therefore a shortened name that is unique in the script selects the
  /// script's option, even if newer options also begin with this shortened name.
  void set_script_options(std::vector<std::string> names);

  /// Adds --help, --help-all and --version.
  void add_help();
  /// Adds --config, and the options that set `printing`: --quiet, --json and so on. Adds --verbose
  /// only if `verbose_text`, the description of --verbose, is not empty.
  void add_printing(Printing& printing, const std::string& verbose_text = "");

  /// Adds a function that parse() calls after it has set all values, for example to check them. For
  /// --help and --version, parse() does not call the function.
  void then(std::function<void()> step);

  /// Parses `arguments`. Returns the text for --help or --version, otherwise nullopt. Throws
  /// Error(usage) if an argument is wrong.
  std::optional<Answer> parse(const std::vector<std::string>& arguments);

  /// Returns the arguments that are not options, for example files.
  const std::vector<std::string>& positionals() const;
  /// Returns the files that contain options: the file of --config, or no file without --config.
  std::vector<std::filesystem::path> inputs() const;
  /// Returns the options on the command line and in the file of --config, in the help's order.
  std::vector<GivenOption> given() const;
  bool given(const std::string& name) const;
  /// Returns all options of the command, in the order of the help.
  std::vector<OptionDescription> options() const;
  const std::string& usage() const;
  /// Returns the text of --help, or the text of --help-all if `all` is true.
  std::string help(bool all) const;
  /// Throws Error(usage) if `word`, an argument that is not an option, looks like an option without
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
