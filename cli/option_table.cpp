#include "option_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "console.h"
#include "requests.h"
#include "words/command_line.h"
#include "words/values.h"

namespace aether2onnx::cli {

std::vector<CommandOptions> option_table() {
  std::vector<CommandOptions> table;
  for (const Command& command : commands()) {
    command.describe([&](const CommandLine& line) {
      table.push_back({command, line.usage(), line.options()});
    });
    for (OptionDescription& option : table.back().options) {
      std::replace(option.description.begin(), option.description.end(), '\n', ' ');
    }
  }
  return table;
}

std::string escaped(const std::string& text, const std::string& special) {
  std::string result;
  for (const char c : text) {
    if (special.find(c) != std::string::npos) result += '\\';
    result += c;
  }
  return result;
}

void add_words(CommandLine& line, CompletionRequest& request) {
  line.describe(
      "Prints the completion script of a shell.", "Usage: aether2onnx completion bash|zsh|fish\n",
      R"(Installed packages contain these scripts. Otherwise, add a line to your shell's file:
  source <(aether2onnx completion bash)        in ~/.bashrc
  source <(aether2onnx completion zsh)         in ~/.zshrc, after compinit
  aether2onnx completion fish | source         in config.fish)");
  line.add_help();
  line.then([&] {
    if (line.positionals().size() != 1) {
      fail({ErrorKind::usage, "command-arguments", "completion"},
           "one shell is expected: bash, zsh or fish.\n{}", line.usage());
    }
    request.shell = line.positionals().front();
    find_choice("completion", request.shell, {"bash", "zsh", "fish"});
  });
}

int run(const CompletionRequest& request, const Invocation& /*invocation*/) {
  const auto table = option_table();
  if (request.shell == "bash") return print_answer({bash_script(table)});
  if (request.shell == "zsh") return print_answer({zsh_script(table)});
  return print_answer({fish_script(table)});
}

void add_words(CommandLine& line, ManualRequest& request) {
  line.describe(
      "Prints the manual page, the table of all options, or the table of all --json fields.",
      "Usage: aether2onnx manual [man | options | json]\n",
      R"(man: the manual page, for: aether2onnx manual | man -l -
options: the table of all options, in Markdown.
json: the table of all fields of --json, in Markdown.)");
  line.add_help();
  line.then([&] {
    if (line.positionals().size() > 1) {
      fail({ErrorKind::usage, "command-arguments", "manual"}, "manual takes one argument.\n{}",
           line.usage());
    }
    request.part = line.positionals().empty() ? "man" : line.positionals().front();
    take_choice("manual", request.part, {"man", "options", "json"});
  });
}

int run(const ManualRequest& request, const Invocation& /*invocation*/) {
  if (request.part == "options") return print_answer({options_page(option_table())});
  if (request.part == "json") return print_answer({json_page()});
  return print_answer({manual_page(option_table())});
}

void add_words(CommandLine& line, HelpRequest& request) {
  line.describe("Prints the help of the program or of one command.",
                "Usage: aether2onnx help [COMMAND]\n", "");
  line.add_help();
  line.then([&] {
    const std::string name =
        line.positionals().empty() ? commands().front().name : line.positionals().front();
    if (line.positionals().size() > 1) {
      fail({ErrorKind::usage, "command-arguments", "help"}, "help takes one command.\n{}",
           line.usage());
    }
    const bool all = name == "all";
    const Command* command = all ? commands().data() : find_command(name);
    if (command == nullptr) refuse_command(name);
    command->describe([&](const CommandLine& of) { request.text = of.help(all); });
  });
}

int run(const HelpRequest& request, const Invocation& /*invocation*/) {
  return print_answer({request.text});
}

void add_words(CommandLine& line, VersionRequest& /*request*/) {
  line.describe("Prints the version.", "Usage: aether2onnx version\n", "");
  line.add_help();
  line.then([&] {
    if (line.positionals().empty()) return;
    fail({ErrorKind::usage, "command-arguments", "version"}, "version takes no argument.");
  });
}

int run(const VersionRequest& /*request*/, const Invocation& /*invocation*/) {
  return print_answer({fmt::format("aether2onnx {}\n", version())});
}

}  // namespace aether2onnx::cli
