#include "command_line.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

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

// The option that was meant by `name`: dashes count as underscores, and as in Python's argparse the
// start of a name stands for it where no other begins so.
std::string resolve_name(std::string name, const std::vector<std::string>& known) {
  std::replace(name.begin() + 2, name.end(), '-', '_');
  if (std::find(known.begin(), known.end(), name) != known.end()) return name;
  std::vector<std::string> candidates;
  std::copy_if(known.begin(), known.end(), std::back_inserter(candidates),
               [&](const std::string& option) { return option.starts_with(name); });
  if (candidates.size() == 1) return candidates[0];
  if (candidates.size() > 1) {
    usage_error(fmt::format("{} is ambiguous: it may be {}.", name, fmt::join(candidates, ", ")));
  }
  const auto nearest =
      std::min_element(known.begin(), known.end(), [&](const auto& a, const auto& b) {
        return edit_distance(a, name) < edit_distance(b, name);
      });
  const bool close = edit_distance(*nearest, name) <= 3;
  usage_error(fmt::format("there is no option {}{}.\nRun aether2onnx --help for all of them.", name,
                          close ? fmt::format("; did you mean {}?", *nearest) : ""));
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

CommandLine::CommandLine(const std::string& description, std::string usage,
                         const std::string& footer)
    : app_(description + "\n", "aether2onnx") {
  app_.footer("\n" + footer);
  app_.formatter(std::make_shared<HelpFormatter>(std::move(usage)));
  app_.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app_.set_help_flag();
}

void CommandLine::add_positionals(const std::string& description) {
  app_.add_option("files", positionals_, description)
      ->group("")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void CommandLine::add_printing(Printing& printing, const std::string& verbose_text) {
  const std::string group = "Output";
  if (!verbose_text.empty()) {
    app_.add_flag("--verbose", printing.verbose, verbose_text)->group(group);
  }
  app_.add_flag("--quiet", printing.quiet, "Print errors only")->group(group);
  app_.add_flag("--json", printing.json, "Print one JSON object on stdout, the log on stderr")
      ->group(group);
  app_.add_flag("-h,--help", help_, "Print this help")->group(group);
  app_.add_flag("--version", version_, "Print the version")->group(group);
}

std::optional<Answer> CommandLine::parse(const std::vector<std::string>& arguments) {
  std::vector<std::string> resolved = resolve_names(arguments, long_names(app_));
  std::reverse(resolved.begin(), resolved.end());  // as CLI11 wants them
  try {
    app_.parse(resolved);
  } catch (const CLI::ParseError& error) {
    usage_error(fmt::format("{}\nRun aether2onnx --help for all options.", error.what()));
  }
  if (help_) return Answer{app_.help() + "\n"};
  if (version_) return Answer{fmt::format("aether2onnx {}\n", version())};
  return std::nullopt;
}

}  // namespace aether2onnx::cli
