// The main program: runs the command, and turns an exception into a message and an exit code.

#include <cstdio>
#include <cstdlib>

#include "commands.h"
#include "console.h"
#include "port/port.h"
#include "render/json.h"
#include "verifier.h"

namespace aether2onnx::cli {

namespace {

int dispatch(const std::string& program, const std::vector<std::string>& words) {
  const Meant meant = command_of(words.empty() ? "" : words.front());
  if (!meant.is_named) return meant.command->run({program, "", words});
  return meant.command->run({program, meant.command->name, {words.begin() + 1, words.end()}});
}

int run_program(const std::string& program, const std::vector<std::string>& words) {
  const bool json = wants_json(words);
  try {
    port::cancel_on_signals();
    if (is_supervised(words)) port::cancel_when_input_ends();
    return dispatch(program, words);
  } catch (...) {
    const Failure failure = current_failure();
    // A cancelled command has already removed its unfinished files, so the program can end at once.
    if (failure.kind == to_string(ErrorKind::cancelled)) port::end_by_signal();
    return print_failure(failure, json);
  }
}

}  // namespace

}  // namespace aether2onnx::cli

int main(int count, char** values) {
  namespace port = aether2onnx::port;
  const std::vector<std::string> words = port::arguments(count, values);
  if (words.empty()) return 2;
  const int exit_code = aether2onnx::cli::run_program(words[0], {words.begin() + 1, words.end()});
  port::keep_window_open();
  if (aether2onnx::verify::has_gpu_libraries()) {
    std::fflush(nullptr);
    std::_Exit(exit_code);
  }
  return exit_code;
}
