#include "option_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "console.h"
#include "requests.h"
#include "words/command_line.h"

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
  line.describe("Prints the completion script of a shell.",
                "Usage: aether2onnx completion bash|zsh|fish\n",
                R"(Installed packages bring these scripts along. Otherwise, in a shell:
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

void add_words(CommandLine& line, ManualRequest& /*request*/) {
  line.describe("Prints the manual page, for man.", "Usage: aether2onnx manual | man -l -\n", "");
  line.add_help();
  line.then([&] {
    if (line.positionals().empty()) return;
    fail({ErrorKind::usage, "command-arguments", "manual"}, "manual takes no argument.");
  });
}

int run(const ManualRequest& /*request*/, const Invocation& /*invocation*/) {
  return print_answer({manual_page(option_table())});
}

}  // namespace aether2onnx::cli
