#include "manual_command.h"

#include <fmt/format.h>

#include "command_line.h"
#include "console.h"
#include "option_list.h"

namespace aether2onnx::cli {

namespace {

struct Parser {
  CommandLine line{"Prints the manual page, for man.", "Usage: aether2onnx manual | man -l -\n",
                   ""};

  Parser() {
    line.add_positionals("nothing");
    line.add_help();
  }
};

// Text as roff prints it unchanged.
std::string roff(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '\\') {
      result += "\\e";
    } else if (c == '-') {
      result += "\\-";
    } else if ((c == '.' || c == '\'') && (result.empty() || result.back() == '\n')) {
      result += "\\&";
      result += c;
    } else {
      result += c;
    }
  }
  return result;
}

// The lines of a usage as they are, without its list of commands.
std::string synopsis(const std::string& usage) {
  std::string text = usage.substr(0, usage.find("\n\n"));
  const std::string start = "Usage: ";
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    if (line.size() > start.size()) result += roff(line.substr(start.size())) + "\n.br\n";
    at = end + 1;
  }
  return result;
}

std::string option_text(const OptionEntry& option) {
  std::string names;
  for (const std::string& name : option.short_names) names += (names.empty() ? "-" : ", -") + name;
  for (const std::string& name : option.long_names) names += (names.empty() ? "--" : ", --") + name;
  std::string text = ".TP\n\\fB" + roff(names) + "\\fR";
  if (!option.type.empty()) text += " \\fI" + roff(option.type) + "\\fR";
  return text + "\n" + roff(option.description) + "\n";
}

std::string command_text(const Command& command) {
  std::string text = fmt::format(".SS {}\n{}.\n.PP\n.nf\n{}.fi\n", roff(command.name),
                                 roff(command.summary), synopsis(usage_of(command)));
  std::string group;
  for (const OptionEntry& option : options_of(command)) {
    if (option.group != group) text += ".PP\n" + roff(option.group) + ":\n";
    group = option.group;
    text += option_text(option);
  }
  return text;
}

constexpr const char* kDescription = R"(.SH DESCRIPTION
Converts AetherNet super\-resolution checkpoints (PyTorch .pth) to ONNX, without Python or PyTorch.
No code from the checkpoint is run. Variant, scale and channels are read from the file.
.PP
Two arguments are a checkpoint and where to save its model; the second one is a checkpoint, too,
where it ends in .pth, .pt, .ckpt or .safetensors. More arguments, a folder, or one of
\-\-output_dir, \-\-name_template, \-\-jobs and \-\-skip_existing make a batch of it.
.PP
Dashes may stand for underscores, and an option's name may be cut short while it stays unambiguous.
)";

constexpr const char* kEnd = R"(.SH EXIT STATUS
0 done, 1 failed (of a batch: any of it), 2 wrong usage. What failed leaves no output, and an older
one unchanged.
.SH ENVIRONMENT
.TP
AETHER2ONNX_ONNXRUNTIME
The ONNX Runtime library to verify with, where \-\-onnxruntime_library isn't given.
)";

}  // namespace

void describe_manual(const UseCommandLine& use) { use(Parser().line); }

int run_manual(const Invocation& invocation) {
  Parser parser;
  if (const auto answer = parser.line.parse(invocation.arguments)) return print_answer(*answer);
  if (!parser.line.positionals().empty()) usage_error("manual takes no argument.");
  std::string page = fmt::format(
      ".TH AETHER2ONNX 1 \"\" \"aether2onnx {}\" \"User Commands\"\n"
      ".SH NAME\naether2onnx \\- AetherNet checkpoints to ONNX\n.SH SYNOPSIS\n.nf\n{}.fi\n",
      version(), synopsis(usage_of(commands().front())));
  page += kDescription;
  page += ".SH COMMANDS\n";
  for (const Command& command : commands()) page += command_text(command);
  return print_answer({page + kEnd});
}

}  // namespace aether2onnx::cli
