#include "commands.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "console.h"
#include "port/files.h"
#include "requests.h"
#include "words/command_line.h"
#include "words/nearest.h"

namespace aether2onnx::cli {

namespace {

template <typename Request>
constexpr Command command(const char* name, const char* summary, const char* choices = "") {
  return {name, summary, choices,
          [](const char* own_name, const UseCommandLine& use) {
            Request request;
            CommandLine line(own_name);
            add_words(line, request);
            use(line);
          },
          [](const char* own_name, const Invocation& invocation) {
            Request request;
            CommandLine line(own_name);
            add_words(line, request);
            if (const auto answer = line.parse(invocation.arguments)) return print_answer(*answer);
            return run(request, invocation);
          }};
}

constexpr std::array kCommands = {
    command<ConvertRequest>("convert", "Convert a checkpoint to ONNX; the default command"),
    command<InspectRequest>("inspect", "Describe a checkpoint or an ONNX file"),
    command<VerifyRequest>("verify", "Compare an ONNX file with its checkpoint"),
    command<FuseRequest>("fuse", "Fuse parallel convolutions, and save a checkpoint for PyTorch"),
    command<CheckRequest>("check",
                          "List problems that TensorRT and other programs have with an ONNX file"),
    command<ScanRequest>("scan", "Report whether loading a file could run code or do other harm"),
    command<EngineRequest>("engine", "Print or run the command that builds a TensorRT engine"),
    command<UpscaleRequest>("upscale", "Enlarge pictures with a checkpoint or an ONNX file"),
    command<HelpRequest>("help", "Print the help of a command",
                         "convert inspect verify fuse check scan engine upscale"),
    command<VersionRequest>("version", "Print the version", " "),
    command<CompletionRequest>("completion", "Print the completion script of a shell",
                               "bash zsh fish"),
    command<ManualRequest>("manual", "Print the manual page", "man options json"),
};

// In each pair, the first name is a command of other programs. The second name is the aether2onnx
// command for the same work. If a user types the first name, the error suggests the second name.
constexpr std::array kOtherCommands = {
    std::pair{"export", "convert"},  std::pair{"info", "inspect"},
    std::pair{"show", "inspect"},    std::pair{"describe", "inspect"},
    std::pair{"compare", "verify"},  std::pair{"test", "verify"},
    std::pair{"val", "verify"},      std::pair{"validate", "verify"},
    std::pair{"lint", "check"},      std::pair{"build", "engine"},
    std::pair{"trtexec", "engine"},  std::pair{"tensorrt", "engine"},
    std::pair{"safe", "scan"},       std::pair{"usage", "help"},
    std::pair{"enlarge", "upscale"}, std::pair{"infer", "upscale"},
    std::pair{"predict", "upscale"}, std::pair{"run", "upscale"}};

std::string nearest_command(const std::string& word) {
  for (const auto& [other, own] : kOtherCommands) {
    if (word == other) return own;
  }
  std::vector<std::string> names;
  for (const Command& command : kCommands) {
    names.emplace_back(command.name);
    if (word.size() > 2 && names.back().starts_with(word)) return names.back();
  }
  return nearest(word, names);
}

}  // namespace

std::span<const Command> commands() { return kCommands; }

const Command* find_command(const std::string& name) {
  const std::string lower = lower_case(name);
  const auto found = std::find_if(kCommands.begin(), kCommands.end(),
                                  [&](const Command& command) { return lower == command.name; });
  return found == kCommands.end() ? nullptr : &*found;
}

Meant command_of(const std::string& first_word) {
  const Command* named = find_command(first_word);
  if (named != nullptr && first_word == named->name) return {named, true};
  if (first_word.empty() || first_word.find_first_of(R"(./\=)") != std::string::npos ||
      first_word.starts_with('-') || io::exists(first_word)) {
    return {kCommands.data(), false};
  }
  if (named != nullptr) return {named, true};
  refuse_command(first_word);
}

void refuse_command(const std::string& word) {
  const std::string meant = nearest_command(lower_case(word));
  std::vector<std::string> names;
  for (const Command& command : kCommands) names.emplace_back(command.name);
  fail({ErrorKind::usage, "command-unknown", word, meant},
       "'{}' is no command, and there is no file of this name{}\nCommands: {}. Run aether2onnx "
       "help.",
       printable(word), meant.empty() ? "." : fmt::format("; did you mean {}?", meant),
       join(names, ", "));
}

}  // namespace aether2onnx::cli
