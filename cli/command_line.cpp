#include "command_line.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/text.h"

namespace aether2onnx::cli {

void usage_error(const std::string& message) { throw Error(ErrorKind::usage, message); }

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

// Number of edits that turn one name into the other, for "did you mean".
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({substituted, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

std::vector<std::string> long_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

// "; did you mean --scale?" where one of the names is close.
std::string suggestion(const std::string& name, const std::vector<std::string>& known) {
  const auto nearest =
      std::min_element(known.begin(), known.end(), [&](const auto& a, const auto& b) {
        return edit_distance(a, name) < edit_distance(b, name);
      });
  const bool close = nearest != known.end() && edit_distance(*nearest, name) <= 3;
  return close ? fmt::format("; did you mean {}?", *nearest) : "";
}

// The option that was meant by `name`: dashes count as underscores, and as in Python's argparse the
// start of a name stands for it where no other begins so.
std::string resolve_name(std::string name, const std::vector<std::string>& known) {
  std::replace(name.begin() + 2, name.end(), '-', '_');
  if (std::find(known.begin(), known.end(), name) != known.end()) return name;
  std::vector<std::string> candidates;
  std::copy_if(known.begin(), known.end(), std::back_inserter(candidates),
               [&](const std::string& option) { return option.starts_with(name); });
  if (candidates.size() == 1) return candidates[0];
  // The script's own options come first: with them alone, --output is unambiguous.
  constexpr const char* scripts_own = "--output_onnx_path";
  if (std::find(candidates.begin(), candidates.end(), scripts_own) != candidates.end()) {
    return scripts_own;
  }
  if (candidates.size() > 1) {
    usage_error(fmt::format("{} is ambiguous: it may be {}.", name, fmt::join(candidates, ", ")));
  }
  usage_error(fmt::format("there is no option {}{}.\nRun aether2onnx --help for all of them.", name,
                          suggestion(name, known)));
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

constexpr std::size_t kHelpColumn = 34;

class HelpFormatter final : public CLI::Formatter {
 public:
  explicit HelpFormatter(std::string usage) : usage_(std::move(usage)) {
    column_width(kHelpColumn);
  }
  std::string make_usage(const CLI::App* /*app*/, std::string /*name*/) const override {
    return usage_;
  }

 private:
  std::string usage_;
};

}  // namespace

struct CommandLine::Parser {
  Parser(const std::string& description, std::string usage_lines);

  template <typename Value>
  AddedOption add(const std::string& name, Value& value, const std::string& text) {
    return AddedOption(app.add_option(name, value, text));
  }
  std::string config_name() const;
  std::vector<std::string> configurable_names() const;
  bool from_file(const std::string& name) const;

  std::vector<std::string> in_file;  // options that the file decided
  CLI::App app;
  std::string usage;
  std::vector<std::string> positionals;
  bool help = false;
  bool version = false;
};

CommandLine::Parser::Parser(const std::string& description, std::string usage_lines)
    : app(description + "\n", "aether2onnx"), usage(usage_lines) {
  app.formatter(std::make_shared<HelpFormatter>(std::move(usage_lines)));
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.set_help_flag();
}

std::string CommandLine::Parser::config_name() const {
  const CLI::Option* config = app.get_config_ptr();
  if (config == nullptr || config->empty()) return "";
  return printable(config->results().back(), 4096);
}

std::vector<std::string> CommandLine::Parser::configurable_names() const {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_configurable()) continue;
    for (const std::string& name : option->get_lnames()) names.push_back(name);
  }
  return names;
}

bool CommandLine::Parser::from_file(const std::string& name) const {
  return std::find(in_file.begin(), in_file.end(), name) != in_file.end();
}

// Reads the file of --config as CLI11 does (TOML), and refuses what isn't an option.
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
    if (!item.parents.empty()) {
      usage_error(
          fmt::format("{}: '{}' stands in a section, but options have none.\nWrite "
                      "name = value, one a line, as in fp_mode = \"fp16\".",
                      file, printable(item.fullname())));
    }
    std::string name = item.name;
    std::replace(name.begin(), name.end(), '-', '_');
    std::vector<std::string> known = parser_.configurable_names();
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      const bool elsewhere = parser_.app.get_option_no_throw("--" + name) != nullptr;
      usage_error(elsewhere ? fmt::format("{}: {} can be given on the command line only.", file,
                                          printable(item.name))
                            : fmt::format("{}: there is no option '{}'{}.", file,
                                          printable(item.name), suggestion(name, known)));
    }
    const CLI::Option& option = *parser_.app.get_option("--" + name);
    const bool many = option.get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll;
    if (item.inputs.size() != 1 && !(many && !item.inputs.empty())) {
      usage_error(fmt::format("{}: {} has {} values, one is expected.", file, printable(item.name),
                              item.inputs.size()));
    }
    item.name = name;
    if (!option.empty()) return;  // the command line counts
    if (parser_.from_file(name)) {
      usage_error(fmt::format("{}: {} is given twice.", file, printable(item.name)));
    }
    parser_.in_file.push_back(name);
  }

  Parser& parser_;
};

AddedOption& AddedOption::group(const std::string& name) {
  option_->group(name);
  return *this;
}

AddedOption& AddedOption::type_name(const std::string& name) {
  option_->type_name(name);
  return *this;
}

AddedOption& AddedOption::repeatable() {
  option_->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  return *this;
}

AddedOption& AddedOption::list(char delimiter) {
  option_->delimiter(delimiter)->allow_extra_args(false);
  return repeatable();
}

CommandLine::CommandLine(const std::string& description, std::string usage,
                         const std::string& footer)
    : parser_(std::make_unique<Parser>(description, std::move(usage))) {
  parser_->app.footer("\n" + footer);
}

CommandLine::~CommandLine() = default;

AddedOption CommandLine::add_option(const std::string& name, std::string& value,
                                    const std::string& text) {
  return parser_->add(name, value, text);
}

AddedOption CommandLine::add_option(const std::string& name, std::optional<std::string>& value,
                                    const std::string& text) {
  return parser_->add(name, value, text);
}

AddedOption CommandLine::add_option(const std::string& name, std::optional<int>& value,
                                    const std::string& text) {
  return parser_->add(name, value, text);
}

AddedOption CommandLine::add_option(const std::string& name, std::optional<std::int64_t>& value,
                                    const std::string& text) {
  return parser_->add(name, value, text);
}

AddedOption CommandLine::add_option(const std::string& name, std::optional<std::uint64_t>& value,
                                    const std::string& text) {
  return parser_->add(name, value, text);
}

AddedOption CommandLine::add_option(const std::string& name, std::optional<double>& value,
                                    const std::string& text) {
  return parser_->add(name, value, text);
}

AddedOption CommandLine::add_option(const std::string& name, std::vector<std::string>& values,
                                    const std::string& text) {
  return parser_->add(name, values, text);
}

AddedOption CommandLine::add_flag(const std::string& name, bool& value, const std::string& text) {
  return AddedOption(parser_->app.add_flag(name, value, text));
}

void CommandLine::add_positionals(const std::string& description) {
  add_option("files", parser_->positionals, description).group("").repeatable();
}

namespace {
constexpr const char* kPrintingGroup = "Output";
}  // namespace

void CommandLine::add_help() {
  parser_->app.add_flag("-h,--help", parser_->help, "Print this help")
      ->group(kPrintingGroup)
      ->configurable(false);
  parser_->app.add_flag("--version", parser_->version, "Print the version")
      ->group(kPrintingGroup)
      ->configurable(false);
}

void CommandLine::add_printing(Printing& printing, const std::string& verbose_text) {
  parser_->app
      .set_config("--config", "",
                  "Read options from this TOML file, name = value;\n"
                  "those on the command line count for more")
      ->group("Configuration")
      ->type_name("FILE");
  parser_->app.config_formatter(std::make_shared<ConfigFile>(*parser_));
  if (!verbose_text.empty()) {
    parser_->app.add_flag("--verbose", printing.verbose, verbose_text)->group(kPrintingGroup);
  }
  parser_->app.add_flag("--quiet", printing.quiet, "Print errors only")->group(kPrintingGroup);
  // How errors are told must be known before anything is read.
  parser_->app
      .add_flag("--json", printing.json, "Print one JSON object on stdout, the log on stderr")
      ->group(kPrintingGroup)
      ->configurable(false);
  add_help();
}

std::vector<GivenOption> CommandLine::given() const {
  std::vector<GivenOption> result;
  for (const CLI::Option* option : parser_->app.get_options()) {
    if (option->empty() || option->get_lnames().empty() || option == parser_->app.get_config_ptr())
      continue;
    const std::string& name = option->get_lnames().front();
    result.push_back({name, fmt::format("{}", fmt::join(option->reduced_results(), ", ")),
                      parser_->from_file(name) ? parser_->config_name() : "command line"});
  }
  return result;
}

std::vector<OptionDescription> CommandLine::options() const {
  std::vector<OptionDescription> result;
  for (const CLI::Option* option : parser_->app.get_options()) {
    if (option->get_lnames().empty()) continue;
    const bool is_flag = option->get_expected_min() == 0;
    result.push_back({option->get_snames(), option->get_lnames(), option->get_group(),
                      option->get_description(), is_flag ? "" : option->get_type_name(), is_flag});
  }
  return result;
}

const std::vector<std::string>& CommandLine::positionals() const { return parser_->positionals; }

const std::string& CommandLine::usage() const { return parser_->usage; }

std::optional<Answer> CommandLine::parse(const std::vector<std::string>& arguments) {
  std::vector<std::string> resolved = resolve_names(arguments, long_names(parser_->app));
  std::reverse(resolved.begin(), resolved.end());  // as CLI11 wants them
  try {
    parser_->app.parse(resolved);
  } catch (const CLI::FileError&) {
    throw Error(ErrorKind::io,
                fmt::format("--config {}: there is no such file, or it can't be read.",
                            parser_->config_name()));
  } catch (const CLI::ParseError& error) {
    const std::string message = error.what();
    const bool of_file = std::any_of(
        parser_->in_file.begin(), parser_->in_file.end(),
        [&](const std::string& name) { return message.find("--" + name) != std::string::npos; });
    usage_error(fmt::format("{}{}\nRun aether2onnx --help for all options.",
                            of_file ? parser_->config_name() + ": " : "", message));
  }
  if (parser_->help) return Answer{parser_->app.help() + "\n"};
  if (parser_->version) return Answer{fmt::format("aether2onnx {}\n", version())};
  return std::nullopt;
}

}  // namespace aether2onnx::cli
