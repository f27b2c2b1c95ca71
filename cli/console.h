/// @file
/// Prints the log: one line for each step, and progress on a terminal. Also prints the help.
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
/// --supervised, prints events on stderr instead: for each step, warning and progress report, one
/// JSON object on one line.
class Console final : public Observer {
 public:
  /// The log goes to stdout. With --json, the log goes to stderr. With --quiet, there is no log.
  explicit Console(const Printing& printing);
  /// The log goes to `stream`.
  Console(const Printing& printing, std::FILE* stream);
  ~Console() override;

  void line(const std::string& name, const std::string& text);
  void plain(const std::string& text);

  void on_step(const Step& step) override;
  void on_progress(std::string_view step, std::uint64_t done, std::uint64_t total) override;
  void on_warning(const Diagnostic& warning) override;
  /// Prints a line that begins with "note".
  void note(const std::string& text);

  /// Shows that `share` (0 to 1) of the work is done and that `what` comes next. The line ends with
  /// an estimate of the remaining time. If the log is no terminal, prints a line every ten seconds.
  void on_work(std::string_view name, const std::string& what, double share);

 private:
  bool progress_is_due();
  void event(const Json& json);
  void show_progress(const std::string& text);
  void clear_progress();

  std::FILE* stream_;
  bool quiet_;
  bool terminal_;
  bool events_;  // whether to print JSON events instead of text
  bool progress_shown_ = false;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point last_progress_ = started_;
  std::optional<std::chrono::steady_clock::time_point> work_started_;
  std::string last_work_;
};

/// Returns the context of a task: the limits, the observer, the flag that a signal sets to cancel
/// the task, and the other files that the task reads.
Context task_context(const Limits& limits = {}, Observer* observer = nullptr,
                     const std::vector<std::filesystem::path>& inputs = {});

/// Returns `text` with each {option:io_type} of the library replaced by "--io_type".
std::string spelled(const std::string& text);

/// Prints help or the version. Returns the exit code.
int print_answer(const Answer& answer);

}  // namespace aether2onnx::cli
