// The program: picks the command, and turns errors into text and an exit code.

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>

#include "commands.h"
#include "console.h"
#include "json.h"
#include "process.h"

namespace aether2onnx::cli {

namespace {

extern "C" void end_on_signal(int signal) {
  end_running_process(signal);
  remove_temporary_files();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void remove_temporary_files_on_signals() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    if (std::signal(signal, end_on_signal) == SIG_IGN) std::signal(signal, SIG_IGN);
  }
  // Beyond a file size limit write() shall fail with EFBIG, which is told like a full disk.
  std::signal(SIGXFSZ, SIG_IGN);
  // A reader of the log that goes away must not end the conversion.
  std::signal(SIGPIPE, SIG_IGN);
}

int dispatch(const std::string& program, const std::vector<std::string>& words) {
  const auto table = commands();
  const auto named = std::find_if(table.begin(), table.end(), [&](const Command& command) {
    return !words.empty() && words.front() == command.name;
  });
  if (named == table.end()) return table.front().run({program, "", words});
  return named->run({program, named->name, {words.begin() + 1, words.end()}});
}

int run(const std::string& program, const std::vector<std::string>& words) {
  const bool json = wants_json(words);
  try {
    remove_temporary_files_on_signals();
    return dispatch(program, words);
  } catch (const std::exception& error) {
    return print_failure(failure_of(error), json);
  }
}

}  // namespace

}  // namespace aether2onnx::cli

int main(int count, char** values) {
  const std::vector<std::string> words(values, values + count);
  if (words.empty()) return 2;
  return aether2onnx::cli::run(words[0], {words.begin() + 1, words.end()});
}
