/// @file
/// The program's output: one line a step, progress on a terminal, help.
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

/// The log: lines such as "saved       out.onnx", and progress on a terminal. With --supervised,
/// each step, warning and progress is an event on stderr instead: a JSON object in a line.
class Console final : public Observer {
 public:
  /// The log goes to stdout. --json moves the log to stderr, --quiet drops it.
  explicit Console(const Printing& printing);
  /// The log goes to `stream`.
  Console(const Printing& printing, std::FILE* stream);
  ~Console() override;

  void line(const std::string& name, const std::string& text);
  void plain(const std::string& text);

  void on_step(const Step& step) override;
  void on_progress(std::string_view step, std::uint64_t done, std::uint64_t total) override;
  void on_warning(const Diagnostic& warning) override;
  /// A line called "note".
  void note(const std::string& text);

  /// Shows that `share` (0 to 1) of the work is done and that `what` comes next. The line ends with
  /// an estimate of the remaining time. A log that is no terminal gets a line every ten seconds.
  void on_work(std::string_view name, const std::string& what, double share);

 private:
  bool progress_is_due();
  void event(const Json& json);
  void show_progress(const std::string& text);
  void clear_progress();

  std::FILE* stream_;
  bool quiet_;
  bool terminal_;
  bool events_;  // JSON in place of text
  bool progress_shown_ = false;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point last_progress_ = started_;
  std::optional<std::chrono::steady_clock::time_point> work_started_;
  std::string last_work_;
};

/// The limits, the observer, the flag that cancels a task on a signal, and the files that the
/// program reads for the task.
Context task_context(const Limits& limits = {}, Observer* observer = nullptr,
                     const std::vector<std::filesystem::path>& inputs = {});

/// `text` with each option of the library's sentences as the user types it, "--io_type".
std::string spelled(const std::string& text);

/// Prints help or the version. Returns the exit code.
int print_answer(const Answer& answer);

}  // namespace aether2onnx::cli
