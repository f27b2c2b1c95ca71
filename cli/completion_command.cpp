#include "completion_command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.h"
#include "command_line.h"
#include "console.h"
#include "option_list.h"

namespace aether2onnx::cli {

namespace {

constexpr const char* kUsage = "Usage: aether2onnx completion bash|zsh|fish\n";

constexpr const char* kFooter =
    R"(Installed packages bring these scripts along. Otherwise, in a shell:
  source <(aether2onnx completion bash)        in ~/.bashrc
  source <(aether2onnx completion zsh)         in ~/.zshrc, after compinit
  aether2onnx completion fish | source         in config.fish)";

struct Parser {
  CommandLine line{"Prints the completion script of a shell.", kUsage, kFooter};

  Parser() {
    line.add_positionals("bash, zsh or fish");
    line.add_help();
  }
};

std::vector<std::string> command_names() {
  std::vector<std::string> names;
  for (const Command& command : commands()) names.emplace_back(command.name);
  return names;
}

// The names as they are typed.
std::vector<std::string> typed_names(const OptionEntry& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.short_names) names.push_back("-" + name);
  for (const std::string& name : option.long_names) names.push_back("--" + name);
  return names;
}

// What the description says before its first full stop.
std::string in_short(const OptionEntry& option) {
  return option.description.substr(0, option.description.find(". "));
}

// `text` with a backslash before every one of `special`.
std::string escaped(const std::string& text, const std::string& special) {
  std::string result;
  for (const char c : text) {
    if (special.find(c) != std::string::npos) result += '\\';
    result += c;
  }
  return result;
}

// --- bash -------------------------------------------------------------------------------------

constexpr const char* kBashEnd = R"(  esac
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

std::string bash_case(const Command& command, const OptionEntry& option) {
  std::vector<std::string> patterns;
  for (const std::string& name : typed_names(option)) {
    patterns.push_back(fmt::format("{},{}", command.name, name));
  }
  std::string action;  // nothing: a value that can't be guessed
  switch (option.kind) {
    case ValueKind::none:
      return "";
    case ValueKind::file:
      action =
          "mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
          "      compopt -o filenames 2>/dev/null\n      ";
      break;
    case ValueKind::folder:
      action =
          "mapfile -t COMPREPLY < <(compgen -d -- \"$current\")\n"
          "      compopt -o filenames 2>/dev/null\n      ";
      break;
    case ValueKind::choice:
      action = fmt::format("COMPREPLY=($(compgen -W \"{}\" -- \"$current\"))\n      ",
                           fmt::join(option.choices, " "));
      break;
    case ValueKind::other:
      break;
  }
  return fmt::format("    {})\n      {}return\n      ;;\n", fmt::join(patterns, " | "), action);
}

std::string bash_script() {
  std::string options;
  std::string choices;
  std::string cases;
  for (const Command& command : commands()) {
    std::vector<std::string> names;
    for (const OptionEntry& option : options_of(command)) {
      for (const std::string& name : typed_names(option)) names.push_back(name);
      cases += bash_case(command, option);
    }
    options += fmt::format("    [{}]=\"{}\"\n", command.name, fmt::join(names, " "));
    if (*command.choices != '\0') {
      choices += fmt::format("    [{}]=\"{}\"\n", command.name, command.choices);
    }
  }
  const std::string names = fmt::format("{}", fmt::join(command_names(), " "));
  return fmt::format(
             "# Completion of aether2onnx {} for bash; made by: aether2onnx completion bash\n"
             "_aether2onnx() {{\n"
             "  local commands=\"{}\" command={} current previous word\n"
             "  local -A options=(\n{}  )\n"
             "  local -A choices=(\n{}  )\n"
             "  COMPREPLY=()\n"
             "  current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}}\n"
             "  # bash takes --name=value apart at the equals sign.\n"
             "  if [[ $current == = ]]; then\n"
             "    current=\n"
             "  elif [[ $previous == = ]]; then\n"
             "    previous=${{COMP_WORDS[COMP_CWORD - 2]}}\n"
             "  fi\n"
             "  [[ $previous == --* ]] && previous=--$(tr - _ <<<\"${{previous#--}}\")\n"
             "  if ((COMP_CWORD > 1)); then\n"
             "    for word in $commands; do\n"
             "      [[ ${{COMP_WORDS[1]}} == \"$word\" ]] && command=$word\n"
             "    done\n"
             "  fi\n"
             "  case $command,$previous in\n{}",
             version(), names, commands().front().name, options, choices, cases) +
         kBashEnd;
}

// --- zsh --------------------------------------------------------------------------------------

std::string zsh_option(const OptionEntry& option) {
  std::string lines;
  // Within single quotes; brackets, colons and backslashes mean something to _arguments.
  std::string description = escaped(in_short(option), "[]:\\");
  for (std::size_t at = 0; (at = description.find('\'', at)) != std::string::npos; at += 4) {
    description.replace(at, 1, "'\\''");
  }
  for (const std::string& name : typed_names(option)) {
    std::string value;
    switch (option.kind) {
      case ValueKind::none:
        break;
      case ValueKind::file:
        value = ":file:_files";
        break;
      case ValueKind::folder:
        value = ":folder:_files -/";
        break;
      case ValueKind::choice:
        value = fmt::format(":value:({})", fmt::join(option.choices, " "));
        break;
      case ValueKind::other:
        value = fmt::format(":{}: ", option.type);
        break;
    }
    const bool is_long = name.starts_with("--");
    lines += fmt::format("        '{}{}[{}]{}'\n", name, is_long && !value.empty() ? "=" : "",
                         description, value);
  }
  return lines;
}

std::string zsh_script() {
  std::string names;
  std::string cases;
  for (const Command& command : commands()) {
    names += fmt::format("    '{}:{}'\n", command.name, escaped(command.summary, ":\\"));
    std::string options;
    for (const OptionEntry& option : options_of(command)) options += zsh_option(option);
    const std::string positional = *command.choices == '\0'
                                       ? "'*:file:_files'"
                                       : fmt::format("'1:choice:({})'", command.choices);
    cases += fmt::format("    {})\n      arguments=(\n{}        {})\n      ;;\n", command.name,
                         options, positional);
  }
  return fmt::format(
      "#compdef aether2onnx\n"
      "# Completion of aether2onnx {} for zsh; made by: aether2onnx completion zsh\n"
      "_aether2onnx() {{\n"
      "  local -a commands arguments\n"
      "  local command={}\n"
      "  commands=(\n{}  )\n"
      "  if (( CURRENT == 2 )); then\n"
      "    _describe command commands\n"
      "  elif (( ${{commands[(I)${{words[2]}}:*]}} )); then\n"
      "    command=${{words[2]}}\n"
      "    words=(\"${{words[1]}}\" \"${{(@)words[3,-1]}}\")\n"
      "    (( CURRENT-- ))\n"
      "  fi\n"
      "  case $command in\n{}  esac\n"
      "  _arguments -s : \"${{arguments[@]}}\"\n"
      "}}\n"
      "if [[ ${{funcstack[1]}} == _aether2onnx ]]; then\n"
      "  _aether2onnx \"$@\"\n"
      "else\n"
      "  compdef _aether2onnx aether2onnx\n"
      "fi\n",
      version(), commands().front().name, names, cases);
}

// --- fish -------------------------------------------------------------------------------------

std::string fish_quoted(const std::string& text) { return "'" + escaped(text, "'\\") + "'"; }

std::string fish_option(const Command& command, const OptionEntry& option) {
  std::string line = fmt::format("complete -c aether2onnx -n '__aether2onnx_is {}'", command.name);
  for (const std::string& name : option.short_names) line += " -s " + name;
  for (const std::string& name : option.long_names) line += " -l " + name;
  switch (option.kind) {
    case ValueKind::none:
      break;
    case ValueKind::file:
      line += " -r -F";
      break;
    case ValueKind::folder:
      line += " -x -a '(__fish_complete_directories (commandline -ct))'";
      break;
    case ValueKind::choice:
      line += fmt::format(" -x -a '{}'", fmt::join(option.choices, " "));
      break;
    case ValueKind::other:
      line += " -x";
      break;
  }
  return line + " -d " + fish_quoted(in_short(option)) + "\n";
}

std::string fish_script() {
  std::string script = fmt::format(
      "# Completion of aether2onnx {} for fish; made by: aether2onnx completion fish\n"
      "function __aether2onnx_is\n"
      "  set -l words (commandline -opc)\n"
      "  set -l command {}\n"
      "  if set -q words[2]; and contains -- $words[2] {}\n"
      "    set command $words[2]\n"
      "  end\n"
      "  test $command = $argv[1]\n"
      "end\n",
      version(), commands().front().name, fmt::join(command_names(), " "));
  for (const Command& command : commands()) {
    script += fmt::format(
        "complete -c aether2onnx -n 'test (count (commandline -opc)) -eq 1' -a {} -d {}\n",
        command.name, fish_quoted(command.summary));
    if (*command.choices != '\0') {
      script += fmt::format("complete -c aether2onnx -n '__aether2onnx_is {}' -f -a '{}'\n",
                            command.name, command.choices);
    }
    for (const OptionEntry& option : options_of(command)) script += fish_option(command, option);
  }
  return script;
}

}  // namespace

void describe_completion(const UseCommandLine& use) { use(Parser().line); }

int run_completion(const Invocation& invocation) {
  Parser parser;
  if (const auto answer = parser.line.parse(invocation.arguments)) return print_answer(*answer);
  const std::vector<std::string>& shells = parser.line.positionals();
  if (shells.size() != 1) {
    usage_error(fmt::format("one shell is expected: bash, zsh or fish.\n{}", kUsage));
  }
  const std::string& shell = shells.front();
  if (shell == "bash") return print_answer({bash_script()});
  if (shell == "zsh") return print_answer({zsh_script()});
  if (shell == "fish") return print_answer({fish_script()});
  usage_error(fmt::format("there is no completion for '{}': bash, zsh or fish are expected.",
                          printable(shell)));
}

}  // namespace aether2onnx::cli
