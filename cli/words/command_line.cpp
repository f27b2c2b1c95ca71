#include "command_line.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <sstream>

#include "base/error.h"
#include "base/text.h"
#include "nearest.h"
#include "other_names.h"
#include "port/files.h"
#include "port/port.h"
#include "resolver.h"
#include "values.h"

namespace aether2onnx::cli {

namespace {

// Returns whether `option` is in the arguments before the first "--", where the options end.
bool has_option(const std::vector<std::string>& arguments, std::string_view option) {
  const auto end = std::find(arguments.begin(), arguments.end(), "--");
  return std::find(arguments.begin(), end, option) != end;
}

}  // namespace

bool wants_json(const std::vector<std::string>& arguments) {
  return has_option(arguments, "--json");
}

bool is_supervised(const std::vector<std::string>& arguments) {
  return has_option(arguments, "--supervised");
}

namespace {

std::vector<std::string> long_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

// The largest size of a --config file in bytes: enough for 35,000 options of about 30 bytes.
constexpr std::size_t kConfigBytes = std::size_t{1} << 20U;

// Returns the text of the --config file `path`. The file may be a pipe. Error messages contain
// `name`, the printable form of `path`.
std::string read_config(const std::string& path, const std::string& name) {
  io::StreamBytes file = io::read_stream(path, kConfigBytes, &port::cancelled_by_signal());
  if (!file.problem.empty()) {
    fail({ErrorKind::io, "option-config-file", path, "", file.problem},
         "--config {}: there is no such file, or it can't be read: {}.", name, file.problem);
  }
  if (file.too_long) {
    fail({ErrorKind::limit, "option-config-limit", path, human_bytes(kConfigBytes)},
         "--config {}: the file is larger than {}.\nGive a file of lines such as fp_mode = "
         "\"fp16\".",
         name, human_bytes(kConfigBytes));
  }
  return std::move(file.bytes);
}

template <typename>
inline constexpr bool kIsNumber = false;
template <typename Number>
inline constexpr bool kIsNumber<std::optional<Number>> = std::is_arithmetic_v<Number>;

}  // namespace

struct CommandLine::Parser {
  explicit Parser(std::string command_name) : command(std::move(command_name)) {}
  std::string config_name() const { return printable(config, 4096); }
  bool from_file(const std::string& name) const {
    return std::find(in_file.begin(), in_file.end(), name) != in_file.end();
  }
  CLI::Option* add_flag(const std::string& name, bool& value, const std::string& text) {
    return app.add_flag(name, value, text)->group(group);
  }

  std::string config;                // the file of --config
  std::vector<std::string> in_file;  // the options in this file
  CLI::App app{"", "aether2onnx"};
  std::string command;
  std::string description;
  std::string usage;
  std::string footer;
  std::vector<std::string> in_short;     // the options that --help lists
  std::vector<std::string> scripts_own;  // options of the older aether2onnx.py
  std::string group;
  std::vector<std::string> positionals;
  TypedNames typed;
  std::vector<std::function<void()>> steps;
  std::map<std::string, std::vector<std::string>> offered;  // for each option: values to complete
  bool help = false;
  bool help_all = false;
  bool version = false;

  // Returns the command line that lists all options: "aether2onnx verify --help".
  std::string help_call() const {
    return fmt::format("aether2onnx{} {}", command == "convert" ? "" : " " + command,
                       in_short.empty() ? "--help" : "--help-all");
  }
  bool wants_answer() const { return help || help_all || version; }
  // Throws Error(usage) if a file is called "-". Standard input and output are not supported,
  // because the program reads a checkpoint in several passes.
  void refuse_streams() const;
  // Throws Error(usage) for `error`, an error of the library CLI11, with a clearer message.
  [[noreturn]] void refuse(const CLI::ParseError& error) const;
  // Returns `text`, a message about the option `name`. If the user typed an alias of the option,
  // the returned text contains both names: "--dtype (here --fp_mode)" instead of "--fp_mode".
  std::string as_typed(std::string text, const std::string& name) const;
  // Runs `work`. If `work` throws Error(usage) about an option, adds to the message either the name
  // of the --config file that contains this option, or this option's name as the user typed it.
  void name_options(const std::function<void()>& work) const;
};

// Reads the file of --config with CLI11's reader for TOML. Throws Error(usage) for unknown keys.
class CommandLine::ConfigFile final : public CLI::ConfigTOML {
 public:
  explicit ConfigFile(Parser& parser) : parser_(parser) {}

  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
    std::vector<CLI::ConfigItem> found = CLI::ConfigTOML::from_config(input);
    for (CLI::ConfigItem& item : found) check(item);
    return found;
  }

 private:
  void check(CLI::ConfigItem& item) const {
    const std::string file = parser_.config_name();
    const std::string key = printable(item.name);
    if (!item.parents.empty()) {
      fail({ErrorKind::usage, "option-section", item.fullname()},
           "{}: '{}' is in a section, but the file can't have sections.\nWrite one option on each "
           "line, as in fp_mode = \"fp16\".",
           file, printable(item.fullname()));
    }
    std::string name = item.name;
    std::replace(name.begin(), name.end(), '-', '_');
    const CLI::Option* option = parser_.app.get_option_no_throw("--" + name);
    if (option == nullptr) {
      refuse_other_name(file, name);
      std::vector<std::string> known = long_names(parser_.app);
      for (std::string& other : known) other.erase(0, 2);
      fail({ErrorKind::usage, "option-unknown", item.name}, "{}: there is no option '{}'{}", file,
           key, suggestion(name, known));
    }
    if (!option->get_configurable()) {
      fail({ErrorKind::usage, "option-command-line-only", name},
           "{}: {} can be given on the command line only.", file, key);
    }
    const bool many = option->get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll;
    if (item.inputs.size() != 1 && !(many && !item.inputs.empty())) {
      fail({ErrorKind::usage, "option-value-count", name, "1",
            fmt::format("{}", item.inputs.size())},
           "{}: {} has {} values, one is expected.", file, key, item.inputs.size());
    }
    item.name = name;
    if (!option->empty()) return;  // the command line takes precedence over the file
    if (parser_.from_file(name)) {
      fail({ErrorKind::usage, "option-twice", name}, "{}: {} is given twice.", file, key);
    }
    parser_.in_file.push_back(name);
  }

  // Throws Error(usage) if `key` is an option of another program, such as `half`. The message names
  // the option of aether2onnx to use instead.
  void refuse_other_name(const std::string& file, const std::string& key) const {
    for (const OtherName& row : other_names()) {
      if (!is_one_of(row.typed, lower_case(key)) || row.only_for_files) continue;
      const std::string option(row.option);
      if (!option.empty() && parser_.app.get_option_no_throw(option) == nullptr) continue;
      std::string answer(row.answer);
      if (!option.empty()) {
        answer = fmt::format("Use the option {}{} instead.", option.substr(2),
                             row.value.empty() ? "" : fmt::format(R"( = "{}")", row.value));
      }
      fail({ErrorKind::usage, "option-of-another-program", key}, "{}: there is no option '{}'.\n{}",
           file, printable(key), answer);
    }
  }

  Parser& parser_;
};

void CommandLine::Parser::refuse_streams() const {
  std::vector<std::string> files = positionals;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_type_name() != "FILE" || option->empty()) continue;
    const auto& values = option->results();
    files.insert(files.end(), values.begin(), values.end());
  }
  if (std::find(files.begin(), files.end(), "-") == files.end()) return;
  fail({ErrorKind::usage, "command-stream", "-", "a file"},
       "-: standard input and output are not supported, because a checkpoint is read in several "
       "passes.\nGive the name of a file. For a file that is called '-', write ./-");
}

void CommandLine::Parser::refuse(const CLI::ParseError& error) const {
  constexpr std::size_t most = 1000;
  const std::string message = printable(error.what(), most);
  const std::string name = message.substr(0, message.find(':'));
  const CLI::Option* option = app.get_option_no_throw(name);
  if (option != nullptr && dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    const std::string needed = fmt::format("{} needs a value: {}", name, option->get_type_name());
    fail({ErrorKind::usage, "option-value", name.substr(2), option->get_type_name()}, "{}",
         as_typed(needed, name));
  }
  constexpr std::string_view flag = "Could not convert: ";
  if (message.starts_with(flag) && in_file.empty()) {
    fail({ErrorKind::usage, "option-value", "", "true or false"}, "{}: expected true or false.",
         message.substr(flag.size()));
  }
  const bool of_file =
      std::any_of(in_file.begin(), in_file.end(), [&](const std::string& given_name) {
        return message.find("--" + given_name) != std::string::npos;
      });
  fail({ErrorKind::usage, "option-value"}, "{}{}\nRun {} for all options.",
       of_file ? config_name() + ": " : "", message, help_call());
}

std::string CommandLine::Parser::as_typed(std::string text, const std::string& name) const {
  const auto other = typed.find(name);
  const std::size_t at = text.find(name);
  if (other == typed.end() || at == std::string::npos) return text;
  return text.replace(at, name.size(), fmt::format("{} (here {})", other->second, name));
}

void CommandLine::Parser::name_options(const std::function<void()>& work) const {
  try {
    work();
  } catch (const Error& error) {
    if (error.kind != ErrorKind::usage) throw;
    Diagnostic diagnostic = error.diagnostic;
    if (from_file(diagnostic.subject)) {
      diagnostic.text = fmt::format("{}: {}", config_name(), diagnostic.text);
    } else {
      diagnostic.text = as_typed(diagnostic.text, "--" + diagnostic.subject);
    }
    throw Error(error.kind, diagnostic, error.findings);
  }
}

CommandLine::CommandLine(std::string command)
    : parser_(std::make_unique<Parser>(std::move(command))) {
  CLI::App& app = parser_->app;
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.set_help_flag();
  app.add_option("files", parser_->positionals)
      ->group("")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

CommandLine::~CommandLine() = default;

void CommandLine::describe(const std::string& description, const std::string& usage,
                           const std::string& footer) {
  parser_->description = description;
  parser_->usage = usage;
  parser_->footer = footer;
}

void CommandLine::group(const std::string& heading) { parser_->group = heading; }

void CommandLine::add(const std::string& name, Value value, const std::string& type,
                      const std::string& text) {
  CLI::App& app = parser_->app;
  CLI::Option* option = std::visit(
      [&](auto* target) {
        using Target = std::remove_pointer_t<decltype(target)>;
        if constexpr (std::is_same_v<Target, std::filesystem::path>) {
          return app.add_option_function<std::string>(
              name, [target](const std::string& path) { *target = path; }, text);
        } else if constexpr (kIsNumber<Target>) {
          const auto take = [name, target](const std::string& given) {
            *target = number_of<typename Target::value_type>(name, given);
          };
          return app.add_option_function<std::string>(name, take, text);
        } else {
          return app.add_option(name, *target, text);
        }
      },
      value);
  option->group(parser_->group)->type_name(type);
  if (std::holds_alternative<std::vector<std::string>*>(value)) {
    // CLI11 must not take the files behind a value for more values ("--for ncnn model.pth").
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)->allow_extra_args(false);
  }
}

void CommandLine::add_list(const std::string& name, std::vector<std::string>& items,
                           const std::string& type, const std::string& text) {
  add(name, &items, type, text);
  parser_->app.get_option(name)->delimiter(',');
}

void CommandLine::add_flag(const std::string& name, bool& value, const std::string& text) {
  parser_->add_flag(name, value, text);
}

void CommandLine::complete(const std::string& name, std::vector<std::string> values) {
  parser_->offered[name] = std::move(values);
}

void CommandLine::add_choice_of(const std::string& name, const std::vector<std::string>& choices,
                                const std::string& text, std::function<void(std::size_t)> choose) {
  const auto given = std::make_shared<std::optional<std::string>>();
  add(name, given.get(), fmt::format("{}", fmt::join(choices, "|")), text);
  then([=, choose = std::move(choose)] {
    if (*given) choose(find_choice(name, **given, choices));
  });
}

namespace {
constexpr const char* kPrintingGroup = "Output";
}  // namespace

void CommandLine::add_help() {
  group(kPrintingGroup);
  const bool is_short = !parser_->in_short.empty();
  parser_
      ->add_flag("-h,--help", parser_->help,
                 is_short ? "Print the usual options" : "Print this help")
      ->configurable(false);
  if (is_short) {
    parser_->add_flag("--help-all", parser_->help_all, "Print all options")->configurable(false);
  }
  parser_->add_flag("--version", parser_->version, "Print the version")->configurable(false);
}

void CommandLine::add_printing(Printing& printing, const std::string& verbose_text) {
  parser_->app
      .add_option("--config", parser_->config,
                  "Read options from this TOML file with lines name = value.\n"
                  "Options on the command line take precedence")
      ->group("Configuration")
      ->type_name("FILE")
      ->configurable(false);
  parser_->app.config_formatter(std::make_shared<ConfigFile>(*parser_));
  group(kPrintingGroup);
  if (!verbose_text.empty()) add_flag("--verbose", printing.verbose, verbose_text);
  add_flag("--quiet", printing.quiet, "Print errors only");
  // --json is not allowed in the file of --config. If reading this file fails, the program must
  // already know whether to print the error as JSON. See wants_json().
  parser_->add_flag("--json", printing.json, "Print one JSON object on stdout, the log on stderr")
      ->configurable(false);
  parser_
      ->add_flag("--supervised", printing.supervised,
                 "For programs that run aether2onnx: print events on stderr, one\n"
                 "JSON object a line. The end of standard input cancels the work")
      ->configurable(false);
  add_help();
}

void CommandLine::then(std::function<void()> step) { parser_->steps.push_back(std::move(step)); }

std::vector<GivenOption> CommandLine::given() const {
  std::vector<GivenOption> result;
  for (const CLI::Option* option : parser_->app.get_options()) {
    if (option->empty() || option->get_lnames().empty()) continue;
    const std::string& name = option->get_lnames().front();
    if (name == "config") continue;
    result.push_back({name, fmt::format("{}", fmt::join(option->reduced_results(), ", ")),
                      parser_->from_file(name) ? parser_->config_name() : "command line",
                      option->get_group()});
  }
  return result;
}

bool CommandLine::given(const std::string& name) const {
  return parser_->app.count("--" + name) > 0;
}

std::vector<OptionDescription> CommandLine::options() const {
  std::vector<OptionDescription> result;
  for (const CLI::Option* option : parser_->app.get_options()) {
    if (option->get_lnames().empty()) continue;
    std::vector<std::string> names;
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    const bool is_flag = option->get_expected_min() == 0;
    const auto offered = parser_->offered.find(names.back());
    result.push_back(
        {names, option->get_group(), option->get_description(),
         is_flag ? "" : option->get_type_name(),
         offered == parser_->offered.end() ? std::vector<std::string>{} : offered->second});
  }
  return result;
}

std::vector<std::filesystem::path> CommandLine::inputs() const {
  if (parser_->config.empty()) return {};
  return {parser_->config};
}

const std::vector<std::string>& CommandLine::positionals() const { return parser_->positionals; }

const std::string& CommandLine::usage() const { return parser_->usage; }

void CommandLine::show_in_help(std::vector<std::string> names) {
  parser_->in_short = std::move(names);
}

void CommandLine::set_script_options(std::vector<std::string> names) {
  parser_->scripts_own = std::move(names);
}

void CommandLine::refuse_assignment(const std::string& word) const {
  const std::size_t equals = word.find('=');
  if (equals == std::string::npos || equals == 0 || io::exists(word)) return;
  const std::string name = word.substr(0, equals);
  const std::string option = with_underscores("--" + name);
  const auto known = long_names(parser_->app);
  const bool is_option = std::find(known.begin(), known.end(), option) != known.end();
  const auto others = other_names();
  const bool is_other = std::any_of(others.begin(), others.end(), [&](const OtherName& other) {
    return is_one_of(other.typed, lower_case(option).substr(2));
  });
  if (!is_option && !is_other) return;
  fail({ErrorKind::usage, "option-dashes", name, "--" + name, word},
       "{}: an option begins with two dashes, as in --{}. For a file, give only the file's name, "
       "without \"name=\".\nRun {} for all options.",
       printable(word), printable(word), parser_->help_call());
}

namespace {

std::string line_of_option(const OptionDescription& option) {
  constexpr std::size_t column = 34;
  std::string text = "  " + fmt::format("{}", fmt::join(option.names, ", "));
  if (!option.type.empty()) text += " " + option.type;
  text += text.size() < column ? std::string(column - text.size(), ' ')
                               : "\n" + std::string(column, ' ');
  for (const char c : option.description) {
    text += c;
    if (c == '\n') text += std::string(column, ' ');
  }
  return text + "\n";
}

}  // namespace

std::string CommandLine::help(bool all) const {
  std::string text = fmt::format("{}\n\n{}\n", parser_->description, parser_->usage);
  const std::vector<OptionDescription> known = options();
  if (all || parser_->in_short.empty()) {
    std::vector<std::string> groups;
    for (const OptionDescription& option : known) {
      if (std::find(groups.begin(), groups.end(), option.group) == groups.end()) {
        groups.push_back(option.group);
      }
    }
    for (const std::string& heading : groups) {
      text += heading + ":\n";
      for (const OptionDescription& option : known) {
        if (option.group == heading) text += line_of_option(option);
      }
      text += "\n";
    }
  } else {
    text += "Options:\n";
    for (const std::string& name : parser_->in_short) {
      for (const OptionDescription& option : known) {
        if (option.names.back() == name) text += line_of_option(option);
      }
    }
    text += "\n";
  }
  return text + parser_->footer + (parser_->footer.empty() ? "" : "\n");
}

std::optional<Answer> CommandLine::parse(const std::vector<std::string>& arguments) {
  std::vector<std::string> resolved = resolve_names(
      arguments, {long_names(parser_->app), parser_->scripts_own, parser_->help_call()},
      parser_->typed);
  std::reverse(resolved.begin(), resolved.end());  // CLI11 expects the last argument first
  try {
    parser_->name_options([&] { parser_->app.parse(resolved); });
    if (!parser_->config.empty() && !parser_->wants_answer()) {
      std::istringstream file(read_config(parser_->config, parser_->config_name()));
      parser_->name_options([&] { parser_->app.parse_from_stream(file); });
    }
  } catch (const CLI::ParseError& error) {
    parser_->refuse(error);
  }
  if (parser_->help || parser_->help_all) return Answer{help(parser_->help_all)};
  if (parser_->version) return Answer{fmt::format("aether2onnx {}\n", version())};
  parser_->refuse_streams();
  for (const auto& step : parser_->steps) parser_->name_options(step);
  return std::nullopt;
}

}  // namespace aether2onnx::cli
