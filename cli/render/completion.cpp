#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "../option_table.h"

namespace aether2onnx::cli {

namespace {

// Returns `text`, in which each placeholder, such as "@names@", is replaced by its value in
// `values`.
std::string fill(std::string text,
                 const std::vector<std::pair<std::string_view, std::string>>& values) {
  for (const auto& [name, value] : values) {
    for (std::size_t at = 0; (at = text.find(name, at)) != std::string::npos; at += value.size()) {
      text.replace(at, name.size(), value);
    }
  }
  return text;
}

std::string names_of(const std::vector<CommandOptions>& table) {
  std::vector<std::string> names;
  for (const CommandOptions& entry : table) names.emplace_back(entry.command.name);
  return fmt::format("{}", fmt::join(names, " "));
}

// Shell code that completes an option's value. Each member is for one kind of value: a file, a
// folder, one of several choices, or any other value. In `choice`, value_of() replaces "@" by the
// choices. In `other`, value_of() replaces "@" by the name of the value's type.
struct Values {
  const char* file;
  const char* folder;
  const char* choice;
  const char* other;
};

std::string value_of(const OptionDescription& option, const Values& values) {
  std::string type = option.type;
  if (type.empty()) return "";
  if (!option.offered.empty()) {
    return fill(values.choice, {{"@", fmt::format("{}", fmt::join(option.offered, " "))}});
  }
  if (type == "FILE") return values.file;
  if (type == "DIR") return values.folder;
  const bool choice = type.find('|') != std::string::npos;
  std::replace(type.begin(), type.end(), '|', ' ');
  return fill(choice ? values.choice : values.other, {{"@", type}});
}

// Returns the first sentence of the option's description, because completion shows one short line.
std::string in_short(const OptionDescription& option) {
  return option.description.substr(0, option.description.find(". "));
}

// --- the completion script for bash -----------------------------------------------------------

constexpr Values kBashValues = {R"(mapfile -t COMPREPLY < <(compgen -f -- "$current")
      compopt -o filenames 2>/dev/null
      )",
                                R"(mapfile -t COMPREPLY < <(compgen -d -- "$current")
      compopt -o filenames 2>/dev/null
      )",
                                R"(COMPREPLY=($(compgen -W "@" -- "$current"))
      )",
                                ""};

constexpr const char* kBash =
    R"(# Completion of aether2onnx @version@ for bash; made by: aether2onnx completion bash
_aether2onnx() {
  local commands="@names@" command=@first@ current previous word
  local -A options=(
@options@  )
  local -A choices=(
@choices@  )
  COMPREPLY=()
  current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  # bash takes --name=value apart at the equals sign.
  if [[ $current == = ]]; then
    current=
  elif [[ $previous == = ]]; then
    previous=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  [[ $previous == --* ]] && previous=--$(tr - _ <<<"${previous#--}")
  if ((COMP_CWORD > 1)); then
    for word in $commands; do
      [[ ${COMP_WORDS[1]} == "$word" ]] && command=$word
    done
  fi
  case $command,$previous in
@cases@  esac
  if [[ $current == -* ]]; then
    # A dash stands for an underscore; names are completed with underscores.
    [[ $current == --* ]] && current=--$(tr - _ <<<"${current#--}")
    COMPREPLY=($(compgen -W "${options[$command]}" -- "$current"))
    return
  fi
  if [[ -n ${choices[$command]-} ]]; then
    COMPREPLY=($(compgen -W "${choices[$command]}" -- "$current"))
    return
  fi
  mapfile -t COMPREPLY < <(compgen -f -- "$current")
  compopt -o filenames 2>/dev/null
  if ((COMP_CWORD == 1)); then
    COMPREPLY+=($(compgen -W "$commands" -- "$current"))
  fi
}
complete -F _aether2onnx aether2onnx
)";

// --- the completion script for zsh ------------------------------------------------------------

constexpr Values kZshValues = {":file:_files", ":folder:_files -/", ":value:(@)", ":@: "};

constexpr const char* kZsh = R"(#compdef aether2onnx
# Completion of aether2onnx @version@ for zsh; made by: aether2onnx completion zsh
_aether2onnx() {
  local -a commands arguments
  local command=@first@
  commands=(
@names@  )
  if (( CURRENT == 2 )); then
    _describe command commands
  elif (( ${commands[(I)${words[2]}:*]} )); then
    command=${words[2]}
    words=("${words[1]}" "${(@)words[3,-1]}")
    (( CURRENT-- ))
  fi
  case $command in
@cases@  esac
  _arguments -s : "${arguments[@]}"
}
if [[ ${funcstack[1]} == _aether2onnx ]]; then
  _aether2onnx "$@"
else
  compdef _aether2onnx aether2onnx
fi
)";

std::string zsh_option(const OptionDescription& option) {
  // The description is inside single quotes, so a single quote is written '\''. Brackets, colons
  // and backslashes are escaped, because these characters have a meaning for zsh's _arguments.
  const std::string description = fill(escaped(in_short(option), "[]:\\"), {{"'", "'\\''"}});
  const std::string value = value_of(option, kZshValues);
  std::string lines;
  for (const std::string& name : option.names) {
    const bool equals = name.starts_with("--") && !value.empty();
    lines += fmt::format("        '{}{}[{}]{}'\n", name, equals ? "=" : "", description, value);
  }
  return lines;
}

// --- the completion script for fish -----------------------------------------------------------

constexpr Values kFishValues = {
    " -r -F", " -x -a '(__fish_complete_directories (commandline -ct))'", " -x -a '@'", " -x"};

constexpr const char* kFish =
    R"(# Completion of aether2onnx @version@ for fish; made by: aether2onnx completion fish
function __aether2onnx_is
  set -l words (commandline -opc)
  set -l command @first@
  if set -q words[2]; and contains -- $words[2] @names@
    set command $words[2]
  end
  test $command = $argv[1]
end
)";

std::string fish_quoted(const std::string& text) { return "'" + escaped(text, "'\\") + "'"; }

std::string fish_option(const Command& command, const OptionDescription& option) {
  std::string line = fmt::format("complete -c aether2onnx -n '__aether2onnx_is {}'", command.name);
  for (const std::string& name : option.names) {
    line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  }
  return line + value_of(option, kFishValues) + " -d " + fish_quoted(in_short(option)) + "\n";
}

}  // namespace

std::string bash_script(const std::vector<CommandOptions>& table) {
  std::string options;
  std::string choices;
  std::string cases;
  for (const auto& [command, usage, entries] : table) {
    std::vector<std::string> names;
    for (const OptionDescription& option : entries) {
      std::vector<std::string> patterns;
      for (const std::string& name : option.names) {
        names.push_back(name);
        patterns.push_back(fmt::format("{},{}", command.name, name));
      }
      if (option.type.empty()) continue;
      cases += fmt::format("    {})\n      {}return\n      ;;\n", fmt::join(patterns, " | "),
                           value_of(option, kBashValues));
    }
    options += fmt::format("    [{}]=\"{}\"\n", command.name, fmt::join(names, " "));
    if (*command.choices != '\0') {
      choices += fmt::format("    [{}]=\"{}\"\n", command.name, command.choices);
    }
  }
  return fill(kBash, {{"@version@", std::string(version())},
                      {"@first@", table.front().command.name},
                      {"@names@", names_of(table)},
                      {"@options@", options},
                      {"@choices@", choices},
                      {"@cases@", cases}});
}

std::string zsh_script(const std::vector<CommandOptions>& table) {
  std::string names;
  std::string cases;
  for (const auto& [command, usage, entries] : table) {
    names += fmt::format("    '{}:{}'\n", command.name, escaped(command.summary, ":\\"));
    std::string options;
    for (const OptionDescription& option : entries) options += zsh_option(option);
    const std::string positional = *command.choices == '\0'
                                       ? "'*:file:_files'"
                                       : fmt::format("'1:choice:({})'", command.choices);
    cases += fmt::format("    {})\n      arguments=(\n{}        {})\n      ;;\n", command.name,
                         options, positional);
  }
  return fill(kZsh, {{"@version@", std::string(version())},
                     {"@first@", table.front().command.name},
                     {"@names@", names},
                     {"@cases@", cases}});
}

std::string fish_script(const std::vector<CommandOptions>& table) {
  std::string script = fill(kFish, {{"@version@", std::string(version())},
                                    {"@first@", table.front().command.name},
                                    {"@names@", names_of(table)}});
  for (const auto& [command, usage, entries] : table) {
    script += fmt::format(
        "complete -c aether2onnx -n 'test (count (commandline -opc)) -eq 1' -a {} -d {}\n",
        command.name, fish_quoted(command.summary));
    if (*command.choices != '\0') {
      script += fmt::format("complete -c aether2onnx -n '__aether2onnx_is {}' -f -a '{}'\n",
                            command.name, command.choices);
    }
    for (const OptionDescription& option : entries) script += fish_option(command, option);
  }
  return script;
}

}  // namespace aether2onnx::cli
