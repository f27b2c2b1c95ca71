/// @file
/// Prints the log of a command: a line for each finished step, and progress. Also prints the help.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "invocation.h"
#include "render/json.h"

namespace aether2onnx::cli {

/// Prints the log: lines such as "saved       out.onnx", and progress on a terminal. With
/// --supervised (another program runs aether2onnx), prints events on stderr instead of the log: one
/// JSON object on one line for each step, note and progress report.
class Console final : public Observer {
 public:
  /// The log goes to stdout. With --json, the log goes to stderr. With --quiet, there is no log.
  explicit Console(const Printing& printing);
  /// The log goes to `stream`, stdout or stderr. With --quiet, there is no log.
  Console(const Printing& printing, std::FILE* stream);
  ~Console() override;

  void line(const std::string& name, const std::string& text);
  void plain(const std::string& text);

  void on_step(const Step& step) override;
  void on_progress(std::string_view step, std::uint64_t done, std::uint64_t total) override;
  void on_warning(const Diagnostic& warning) override;
  /// Prints `text` in the log. The line begins with "note".
  void note(const std::string& text);

  /// Prints a line of progress, for example "verifying   2 of 5, 1x3x64x64, about 9 s left". `name`
  /// is the first word, and `what` describes the part of the work that is running. `share` is the
  /// finished share of the work (0 to 1), from which the remaining time is estimated. If the log
  /// does not go to a terminal, prints at most one line of progress every ten seconds.
  void on_work(std::string_view name, const std::string& what, double share);

 private:
  bool progress_is_due();
  void event(const Json& json);
  void show_progress(const std::string& text);
  void clear_progress();

  std::FILE* stream_;
  bool quiet_;
  bool terminal_;
  bool events_;  // whether to print JSON events (--supervised) instead of the log
  bool progress_shown_ = false;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point last_progress_ = started_;
  std::optional<std::chrono::steady_clock::time_point> work_started_;
  std::string last_work_;
};

/// Returns the Context for a call of a library function. A signal such as SIGINT cancels this call.
/// The library function throws Error(io) if an output would replace one of the files in `inputs`.
Context task_context(const Limits& limits = {}, Observer* observer = nullptr,
                     const std::vector<std::filesystem::path>& inputs = {});

/// Returns `text`, a message of the library, with the options as the user types them. The library
/// writes an option as {option:io_type}; the function replaces this form by "--io_type".
std::string spelled(const std::string& text);

/// Prints the answer, such as the help or the version, on stdout. Returns the exit code.
int print_answer(const Answer& answer);

}  // namespace aether2onnx::cli
