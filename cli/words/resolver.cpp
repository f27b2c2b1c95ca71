#include "resolver.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "nearest.h"
#include "other_names.h"
#include "port/files.h"

namespace aether2onnx::cli {

std::string with_underscores(std::string name) {
  std::replace(name.begin() + 2, name.end(), '-', '_');
  return name;
}

std::string suggestion(const std::string& name, const std::vector<std::string>& known) {
  const std::size_t dashes = name.find_first_not_of('-');
  std::vector<std::string> bare;
  for (const std::string& other : known) bare.push_back(other.substr(other.find_first_not_of('-')));
  const std::string found = nearest(name.substr(std::min(dashes, name.size())), bare);
  return found.empty() ? "." : fmt::format("; did you mean {}{}?", name.substr(0, dashes), found);
}

namespace {

// Returns whether `text`, the value of an option, is a file's name, not the name of a network.
bool is_file_name(const std::string& text) {
  return text.find_first_of(R"(./\)") != std::string::npos || io::exists(text);
}

// The command's option that the user means. The user may have typed another program's name for this
// option, for example --half.
struct Resolved {
  std::string name;                  // the option's full name: "--fp_mode"
  std::optional<std::string> value;  // the value that the typed name includes: "fp16" for --half
};

// Implements resolve_names(), which replaces the option names that the user typed (abbreviations,
// names in other programs) by the full names of the command's options.
class Resolver {
 public:
  Resolver(std::string help, std::vector<std::string> known, std::vector<std::string> scripts_own)
      : help_(std::move(help)), known_(std::move(known)), scripts_own_(std::move(scripts_own)) {}

  std::vector<std::string> resolve(const std::vector<std::string>& arguments,
                                   TypedNames& typed) const {
    std::vector<std::string> resolved;
    bool options_ended = false;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      const std::string& argument = arguments[i];
      options_ended = options_ended || argument == "--";
      if (options_ended || !is_option(argument)) {
        resolved.push_back(argument);
        continue;
      }
      const std::size_t equals = argument.find('=');
      std::optional<std::string> value;
      if (equals != std::string::npos) value = argument.substr(equals + 1);
      const std::string next = i + 1 < arguments.size() ? arguments[i + 1] : "";
      const std::string name = argument.substr(0, equals);
      const Resolved meant = resolve_name(name, value.value_or(next));
      const bool is_own = meant.name.starts_with(with_underscores("--" + bare_name(name)));
      if (!is_own) typed[meant.name] = name;
      add(resolved, meant, value);
    }
    return resolved;
  }

 private:
  static std::string bare_name(const std::string& typed) {
    return typed.substr(typed.find_first_not_of('-'));
  }

  // Returns whether `argument` is an option to replace: "--name", or "-name" as in some other
  // programs. "-h" and negative numbers are left to the parser CLI11.
  static bool is_option(const std::string& argument) {
    if (argument.starts_with("--")) return argument.size() > 2;
    const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    return argument.size() > 1 && argument[0] == '-' && argument != "-h" && is_letter(argument[1]);
  }

  static void add(std::vector<std::string>& resolved, const Resolved& name,
                  const std::optional<std::string>& value) {
    if (!name.value) {
      resolved.push_back(value ? fmt::format("{}={}", name.name, *value) : name.name);
      return;
    }
    // The user typed a flag of another program, such as --half. "--half=False" turns the flag off,
    // so no option is added.
    const std::string given = lower_case(value.value_or("true"));
    if (given == "false" || given == "0" || given == "off" || given == "no") return;
    resolved.push_back(fmt::format("{}={}", name.name, *name.value));
  }

  std::string find(const std::string& name) const {
    for (const std::string& option : known_) {
      if (with_underscores(option) == name) return option;
    }
    return "";
  }

  // Returns the command's own option for the name `typed`. `value` is the text after "=", or the
  // next argument. Throws Error(usage) if the command has no such option.
  Resolved resolve_name(const std::string& typed, const std::string& value) const {
    const std::string bare = bare_name(typed);
    const std::string name = with_underscores("--" + bare);
    if (const std::string option = find(name); !option.empty()) return {option, {}};
    std::string answer;
    bool for_file = false;
    const std::string other = lower_case(name.substr(2));
    for (const OtherName& row : other_names()) {
      if (!is_one_of(row.typed, other) || (row.only_for_files && !is_file_name(value))) continue;
      if (row.option.empty() && answer.empty()) {
        answer = row.answer;
        for_file = row.only_for_files;
      }
      if (row.option.empty() || find(std::string(row.option)).empty()) continue;
      if (row.value.empty()) return {std::string(row.option), {}};
      return {std::string(row.option), std::string(row.value)};
    }
    if (!for_file || answer.empty()) {
      const std::string option = abbreviation(name);
      if (!option.empty()) return {option, {}};
    }
    if (!answer.empty()) {
      fail({ErrorKind::usage, "option-of-another-program", bare}, "there is no option {}.\n{}",
           printable(typed), answer);
    }
    fail({ErrorKind::usage, "option-unknown", bare},
         "there is no option {}{}\nRun {} for all options.", printable(typed),
         suggestion(name, known_), help_);
  }

  std::vector<std::string> starting_with(const std::string& name,
                                         const std::vector<std::string>& options) const {
    std::vector<std::string> found;
    std::copy_if(options.begin(), options.end(), std::back_inserter(found),
                 [&](const std::string& option) { return option.starts_with(name); });
    return found;
  }

  // Returns the full name of the option that `name` abbreviates, or "" if there is none. Throws
  // Error(usage) if `name` abbreviates several options.
  std::string abbreviation(const std::string& name) const {
    const auto of_script = starting_with(name, scripts_own_);
    if (of_script.size() == 1) return of_script[0];
    const auto candidates = starting_with(name, known_);
    if (candidates.size() == 1) return candidates[0];
    if (candidates.empty()) return "";
    fail({ErrorKind::usage, "option-ambiguous", name.substr(2)}, "{} is ambiguous: it may be {}.",
         printable(name), fmt::join(candidates, ", "));
  }

  std::string help_;
  std::vector<std::string> known_;
  std::vector<std::string> scripts_own_;
};

}  // namespace

std::vector<std::string> resolve_names(const std::vector<std::string>& arguments,
                                       const OptionNames& names, TypedNames& typed) {
  return Resolver(names.help, names.known, names.scripts_own).resolve(arguments, typed);
}

}  // namespace aether2onnx::cli
