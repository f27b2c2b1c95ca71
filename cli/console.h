/// @file
/// What the program prints: one line a step, progress on a terminal, the summary, JSON.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "invocation.h"

namespace aether2onnx::cli {

/// Writes all of `text` and flushes; false where the stream doesn't take it (a closed pipe, a full
/// disk behind it).
bool write_text(std::FILE* stream, const std::string& text);

/// A line of the log, "name        text".
class Console final : public Observer {
 public:
  /// The log goes to stdout, or to stderr where --json takes stdout; --quiet drops it.
  explicit Console(const Printing& printing);
  /// The log goes to `stream`.
  Console(const Printing& printing, std::FILE* stream);
  ~Console() override;

  void line(const std::string& name, const std::string& text);
  void plain(const std::string& text);
  bool quiet() const { return quiet_; }

  void on_step(const Step& step) override;
  void on_progress(std::string_view step, std::uint64_t done, std::uint64_t total) override;
  void on_warning(const Diagnostic& warning) override;

  /// Progress of work that is told in shares: `share` (0 to 1) is done, `what` comes next. An
  /// estimate of the time that is left stands behind it.
  void on_work(std::string_view name, const std::string& what, double share);

 private:
  bool progress_is_due();
  void show_progress(const std::string& text);
  void clear_progress();

  std::FILE* stream_;
  bool quiet_;
  bool terminal_;
  bool progress_shown_ = false;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point last_progress_ = started_;
  std::optional<std::chrono::steady_clock::time_point> work_started_;
};

/// "what was there, what is there now": operators, parameters, inputs and outputs.
std::string model_table(const ConvertReport& report);

/// A text of the library with its options as they are typed, "--io_type".
std::string spelled(const std::string& text);

/// The command line as it was typed, for a POSIX shell.
std::string command_line_text(const Invocation& invocation);

/// A path as it is printed: with what a terminal would act on replaced.
std::string shown(const std::filesystem::path& path);

/// A path as an argument: one that would look like an option begins with "./".
std::string argument_path(const std::filesystem::path& path);

/// Prints help or the version; gives the exit code.
int print_answer(const Answer& answer);

}  // namespace aether2onnx::cli
