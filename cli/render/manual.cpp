#include <fmt/format.h>
#include <fmt/ranges.h>

#include <sstream>

#include "../option_table.h"

namespace aether2onnx::cli {

namespace {

// Returns `text` escaped for roff, the format of man pages. Adds \& before a dot or an apostrophe
// at the start of a line, because roff would read the line as a command.
std::string roff(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if ((c == '.' || c == '\'') && (result.empty() || result.back() == '\n')) result += "\\&";
    if (c == '\\') {
      result += "\\e";
    } else {
      result += c == '-' ? "\\-" : std::string(1, c);
    }
  }
  return result;
}

// Returns the command lines at the beginning of `usage`, in roff. The list of commands after the
// first empty line is left out.
std::string synopsis(const std::string& usage) {
  constexpr std::size_t indent = 7;  // the length of "Usage: "
  std::istringstream lines(usage);
  std::string result;
  for (std::string line; std::getline(lines, line) && line.size() > indent;) {
    result += roff(line.substr(indent)) + "\n.br\n";
  }
  return result;
}

std::string option_text(const OptionDescription& option) {
  std::string text =
      fmt::format(".TP\n\\fB{}\\fR", roff(fmt::format("{}", fmt::join(option.names, ", "))));
  if (!option.type.empty()) text += " \\fI" + roff(option.type) + "\\fR";
  return text + "\n" + roff(option.description) + "\n";
}

std::string command_text(const CommandOptions& entry) {
  std::string text = fmt::format(".SS {}\n{}.\n.PP\n.nf\n{}.fi\n", roff(entry.command.name),
                                 roff(entry.command.summary), synopsis(entry.usage));
  std::string group;
  for (const OptionDescription& option : entry.options) {
    if (option.group != group) text += ".PP\n" + roff(option.group) + ":\n";
    group = option.group;
    text += option_text(option);
  }
  return text;
}

constexpr const char* kDescription = R"(.SH DESCRIPTION
Converts AetherNet super\-resolution checkpoints (PyTorch .pth) to ONNX, without Python or PyTorch.
The program never runs code from a checkpoint. It reads the variant, the scale and the channels from
the file.
.PP
Two arguments mean a checkpoint and its model. If the second argument ends in .pth, .pt, .ckpt or
\&.safetensors, both are checkpoints. More arguments, a folder, or one of \-\-output_dir,
\-\-name_template, \-\-jobs and \-\-skip_existing convert many checkpoints.
.PP
In the name of an option, a dash may replace an underscore. The name may be shortened, if only one
option begins with the shortened name.
)";

constexpr const char* kEnd = R"(.SH EXIT STATUS
0 done, 1 failed (also if one of many conversions failed), 2 wrong usage, 3 equal under
assumptions (verify and \-\-verify_onnx). For scan: 0 clean,
1 dangerous, 2 unknown. After a failure there is no new output, and an old output is unchanged.
.SH ENVIRONMENT
.TP
AETHER2ONNX_ONNXRUNTIME
The ONNX Runtime library for verification. \-\-onnxruntime_library takes precedence.
)";

}  // namespace

std::string manual_page(const std::vector<CommandOptions>& table) {
  std::string page = fmt::format(
      ".TH AETHER2ONNX 1 \"\" \"aether2onnx {}\" \"User Commands\"\n"
      ".SH NAME\naether2onnx \\- AetherNet checkpoints to ONNX\n.SH SYNOPSIS\n.nf\n{}.fi\n{}"
      ".SH COMMANDS\n",
      version(), synopsis(table.front().usage), kDescription);
  for (const CommandOptions& entry : table) page += command_text(entry);
  return page + kEnd;
}

}  // namespace aether2onnx::cli
