// The program: runs the command, and turns an error into text and an exit code.

#include <cstdio>

#include "commands.h"
#include "console.h"
#include "port/port.h"
#include "render/json.h"

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
    return dispatch(program, words);
  } catch (...) {
    const Failure failure = current_failure();
    // The task has already removed its files.
    if (failure.kind == to_string(ErrorKind::cancelled)) port::end_by_signal();
    return print_failure(failure, json);
  }
}

}  // namespace

}  // namespace aether2onnx::cli

int main(int count, char** values) {
  const std::vector<std::string> words(values, values + count);
  if (words.empty()) return 2;
  return aether2onnx::cli::run_program(words[0], {words.begin() + 1, words.end()});
}
