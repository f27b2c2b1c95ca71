#include "commands.h"

#include <array>

#include "console.h"
#include "requests.h"
#include "words/command_line.h"

namespace aether2onnx::cli {

namespace {

template <typename Request>
constexpr Command command(const char* name, const char* summary, const char* choices = "") {
  return {name, summary, choices,
          [](const UseCommandLine& use) {
            Request request;
            CommandLine line;
            add_words(line, request);
            use(line);
          },
          [](const Invocation& invocation) {
            Request request;
            CommandLine line;
            add_words(line, request);
            if (const auto answer = line.parse(invocation.arguments)) return print_answer(*answer);
            return run(request, invocation);
          }};
}

constexpr std::array kCommands = {
    command<ConvertRequest>("convert", "Convert; needs not be written"),
    command<FuseRequest>("fuse", "Fuse a checkpoint, for PyTorch"),
    command<VerifyRequest>("verify", "Compare an ONNX file with its checkpoint in PyTorch"),
    command<InspectRequest>("inspect", "Say what a checkpoint or an ONNX file is"),
    command<CheckRequest>("check", "Say what would stop or slow those who run an ONNX file"),
    command<ScanRequest>("scan", "Say whether a file holds anything but data"),
    command<EngineRequest>("engine", "Build a TensorRT engine, or say how"),
    command<CompletionRequest>("completion", "Print the completion script of a shell",
                               "bash zsh fish"),
    command<ManualRequest>("manual", "Print the manual page", " "),
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

}  // namespace aether2onnx::cli
