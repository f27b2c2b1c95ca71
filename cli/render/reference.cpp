// Returns the text of docs/options.md, the reference of all commands and options in Markdown.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "../option_table.h"

namespace aether2onnx::cli {

namespace {

// Returns `text` escaped for a cell of a table in Markdown.
std::string cell(const std::string& text) { return escaped(text, "|<"); }

std::string options_table(const CommandOptions& entry) {
  std::string text;
  std::string group;
  for (const OptionDescription& option : entry.options) {
    if (option.group != group) {
      text += fmt::format("{}| {} | meaning |\n| --- | --- |\n", group.empty() ? "" : "\n",
                          cell(option.group));
    }
    group = option.group;
    const std::string type = option.type.empty() ? "" : " " + option.type;
    text += fmt::format("| `{}{}` | {} |\n", fmt::join(option.names, "`, `"), escaped(type, "|"),
                        cell(option.description));
  }
  return text;
}

}  // namespace

std::string options_page(const std::vector<CommandOptions>& table) {
  std::string page = R"(# All commands and options

The command `aether2onnx manual options` prints this page from the program's own tables, and a test compares the page
with the command's output.

In the name of an option, a dash may replace an underscore (`--fp-mode`). The name of an option may be shortened if only
one option begins with the short name: `--opset` means `--opset_version`. `--name=value` is the same as `--name value`.
If an option accepts only certain words as its value, such as `fp32` and `fp16`, the word may be in upper case, and
`half` means `fp16`. `--config FILE` reads options from a TOML file, for example the line `fp_mode = "fp16"`. If the
TOML file and the command line set the same option, the program uses the value from the command line.
)";
  for (const CommandOptions& entry : table) {
    page += fmt::format("\n## {}\n\n{}.\n\n```text\n{}```\n\n{}", entry.command.name,
                        entry.command.summary,
                        entry.usage.substr(0, entry.usage.find("\n\nCommands")) +
                            (entry.usage.find("\n\nCommands") == std::string::npos ? "" : "\n"),
                        options_table(entry));
  }
  return page;
}

}  // namespace aether2onnx::cli
