#include "command_line.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <sstream>

#include "base/error.h"
#include "base/text.h"
#include "port/files.h"
#include "port/port.h"

namespace aether2onnx::cli {

bool wants_json(const std::vector<std::string>& arguments) {
  return std::find(arguments.begin(), arguments.end(), "--json") != arguments.end();
}

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

namespace {

bool is_long_option(const std::string& argument) {
  return argument.size() > 2 && argument.starts_with("--");
}

std::vector<std::string> long_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

// "; did you mean --scale?" if one of the names is close.
std::string suggestion(const std::string& name, const std::vector<std::string>& known) {
  const auto nearest =
      std::min_element(known.begin(), known.end(), [&](const auto& a, const auto& b) {
        return edit_distance(a, name) < edit_distance(b, name);
      });
  const bool close = nearest != known.end() && edit_distance(*nearest, name) <= 3;
  return close ? fmt::format("; did you mean {}?", *nearest) : "";
}

// Returns the full name of the option that `name` abbreviates.
std::string resolve_name(std::string name, const std::vector<std::string>& known) {
  std::replace(name.begin() + 2, name.end(), '-', '_');
  if (std::find(known.begin(), known.end(), name) != known.end()) return name;
  std::vector<std::string> candidates;
  std::copy_if(known.begin(), known.end(), std::back_inserter(candidates),
               [&](const std::string& option) { return option.starts_with(name); });
  if (candidates.size() == 1) return candidates[0];
  // --output is unambiguous in the reference script, so it keeps the script's meaning.
  constexpr const char* scripts_own = "--output_onnx_path";
  if (std::find(candidates.begin(), candidates.end(), scripts_own) != candidates.end()) {
    return scripts_own;
  }
  if (candidates.size() > 1) {
    fail({ErrorKind::usage, "option-ambiguous", name.substr(2)}, "{} is ambiguous: it may be {}.",
         printable(name), fmt::join(candidates, ", "));
  }
  fail({ErrorKind::usage, "option-unknown", name.substr(2)},
       "there is no option {}{}.\nRun aether2onnx --help for all options.", printable(name),
       suggestion(name, known));
}

std::vector<std::string> resolve_names(const std::vector<std::string>& arguments,
                                       const std::vector<std::string>& known) {
  std::vector<std::string> resolved;
  bool options_ended = false;
  for (const std::string& argument : arguments) {
    options_ended = options_ended || argument == "--";
    if (options_ended || !is_long_option(argument)) {
      resolved.push_back(argument);
      continue;
    }
    const std::size_t equals = argument.find('=');
    std::string name = resolve_name(argument.substr(0, equals), known);
    if (equals != std::string::npos) name += argument.substr(equals);
    resolved.push_back(std::move(name));
  }
  return resolved;
}

class HelpFormatter final : public CLI::Formatter {
 public:
  explicit HelpFormatter(const std::string& usage) : usage_(usage) {
    constexpr std::size_t help_column = 34;
    column_width(help_column);
  }
  std::string make_usage(const CLI::App* /*app*/, std::string /*name*/) const override {
    return usage_;
  }

 private:
  const std::string& usage_;
};

}  // namespace

std::size_t find_choice(const std::string& option, const std::string& text,
                        const std::vector<std::string>& choices) {
  const auto found = std::find(choices.begin(), choices.end(), text);
  if (found != choices.end()) return static_cast<std::size_t>(found - choices.begin());
  const std::string expected =
      fmt::format("{} or {}", fmt::join(choices.begin(), choices.end() - 1, ", "), choices.back());
  fail({ErrorKind::usage, "option-choice", option.substr(option.find_first_not_of('-')), expected,
        text},
       "{} {}: must be {}.", option, printable(text), expected);
}

namespace {

// An option takes about 30 bytes.
constexpr std::size_t kConfigBytes = std::size_t{1} << 20U;

// Reads the file of --config, which may be a pipe. `name` is the file's name for messages.
std::string read_config(const std::string& path, const std::string& name) {
  io::StreamBytes file = io::read_stream(path, kConfigBytes, &port::cancelled_by_signal());
  if (!file.problem.empty()) {
    fail({ErrorKind::io, "option-config-file", path, "", file.problem},
         "--config {}: there is no such file, or it can't be read: {}.", name, file.problem);
  }
  if (file.too_long) {
    fail({ErrorKind::limit, "option-config-limit", path, human_bytes(kConfigBytes)},
         "--config {}: the file has over {}.\nGive a file of lines such as fp_mode = \"fp16\".",
         name, human_bytes(kConfigBytes));
  }
  return std::move(file.bytes);
}

}  // namespace

struct CommandLine::Parser {
  std::string config_name() const { return printable(config, 4096); }
  bool from_file(const std::string& name) const {
    return std::find(in_file.begin(), in_file.end(), name) != in_file.end();
  }
  CLI::Option* add_flag(const std::string& name, bool& value, const std::string& text) {
    return app.add_flag(name, value, text)->group(group);
  }

  std::string config;                // the file of --config
  std::vector<std::string> in_file;  // options that the file decided
  CLI::App app{"", "aether2onnx"};
  std::string usage;
  std::string group;
  std::vector<std::string> positionals;
  std::vector<std::function<void()>> steps;
  std::map<std::string, std::vector<std::string>> offered;  // by option: values for the shells
  bool help = false;
  bool version = false;
};

// Reads the file of --config as CLI11 does (TOML), and refuses unknown keys.
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
           "{}: '{}' stands in a section, but options have none.\nWrite name = value, one a line, "
           "as in fp_mode = \"fp16\".",
           file, printable(item.fullname()));
    }
    std::string name = item.name;
    std::replace(name.begin(), name.end(), '-', '_');
    const CLI::Option* option = parser_.app.get_option_no_throw("--" + name);
    if (option == nullptr) {
      std::vector<std::string> known = long_names(parser_.app);
      for (std::string& other : known) other.erase(0, 2);
      fail({ErrorKind::usage, "option-unknown", item.name}, "{}: there is no option '{}'{}.", file,
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
    if (!option->empty()) return;  // the command line counts
    if (parser_.from_file(name)) {
      fail({ErrorKind::usage, "option-twice", name}, "{}: {} is given twice.", file, key);
    }
    parser_.in_file.push_back(name);
  }

  Parser& parser_;
};

CommandLine::CommandLine() : parser_(std::make_unique<Parser>()) {
  CLI::App& app = parser_->app;
  app.formatter(std::make_shared<HelpFormatter>(parser_->usage));
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.set_help_flag();
  app.add_option("files", parser_->positionals)
      ->group("")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

CommandLine::~CommandLine() = default;

void CommandLine::describe(const std::string& description, const std::string& usage,
                           const std::string& footer) {
  parser_->app.description(description + "\n");
  parser_->app.footer("\n" + footer);
  parser_->usage = usage;
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
        } else {
          return app.add_option(name, *target, text);
        }
      },
      value);
  option->group(parser_->group)->type_name(type);
  if (std::holds_alternative<std::vector<std::string>*>(value)) {
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  }
}

void CommandLine::add_list(const std::string& name, std::vector<std::string>& items,
                           const std::string& type, const std::string& text) {
  add(name, &items, type, text);
  parser_->app.get_option(name)->delimiter(',')->allow_extra_args(false);
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
  parser_->add_flag("-h,--help", parser_->help, "Print this help")->configurable(false);
  parser_->add_flag("--version", parser_->version, "Print the version")->configurable(false);
}

void CommandLine::add_printing(Printing& printing, const std::string& verbose_text) {
  parser_->app
      .add_option("--config", parser_->config,
                  "Read options from this TOML file, name = value;\n"
                  "those on the command line count for more")
      ->group("Configuration")
      ->type_name("FILE")
      ->configurable(false);
  parser_->app.config_formatter(std::make_shared<ConfigFile>(*parser_));
  group(kPrintingGroup);
  if (!verbose_text.empty()) add_flag("--verbose", printing.verbose, verbose_text);
  add_flag("--quiet", printing.quiet, "Print errors only");
  // The program must know how to print errors before it reads anything.
  parser_->add_flag("--json", printing.json, "Print one JSON object on stdout, the log on stderr")
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

std::optional<Answer> CommandLine::parse(const std::vector<std::string>& arguments) {
  std::vector<std::string> resolved = resolve_names(arguments, long_names(parser_->app));
  std::reverse(resolved.begin(), resolved.end());  // CLI11 takes the arguments from the end
  try {
    parser_->app.parse(resolved);
    if (!parser_->config.empty() && !parser_->help && !parser_->version) {
      std::istringstream file(read_config(parser_->config, parser_->config_name()));
      parser_->app.parse_from_stream(file);
    }
  } catch (const CLI::ParseError& error) {
    constexpr std::size_t most = 1000;
    const std::string message = printable(error.what(), most);
    const bool of_file = std::any_of(
        parser_->in_file.begin(), parser_->in_file.end(),
        [&](const std::string& name) { return message.find("--" + name) != std::string::npos; });
    fail({ErrorKind::usage, "option-value"}, "{}{}\nRun aether2onnx --help for all options.",
         of_file ? parser_->config_name() + ": " : "", message);
  }
  if (parser_->help) return Answer{parser_->app.help() + "\n"};
  if (parser_->version) return Answer{fmt::format("aether2onnx {}\n", version())};
  for (const auto& step : parser_->steps) step();
  return std::nullopt;
}

}  // namespace aether2onnx::cli
