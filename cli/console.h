/// @file
/// What the program prints: one line a stage, progress on a terminal, the summary, JSON.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "arguments.h"

namespace aether2onnx::cli {

/// Writes all of `text` and flushes; false where the stream doesn't take it (a closed pipe, a full
/// disk behind it).
bool write_text(std::FILE* stream, const std::string& text);

/// A line of the log, "name        text".
class Console final : public Observer {
 public:
  /// The log goes to stdout, or to stderr where --json takes stdout; --quiet drops it.
  Console(bool json, bool quiet);
  ~Console() override;

  void line(const std::string& name, const std::string& text);
  void plain(const std::string& text);
  bool quiet() const { return quiet_; }

  void on_stage(const Stage& stage) override;
  void on_progress(std::string_view stage, std::uint64_t done, std::uint64_t total) override;
  void on_warning(const std::string& text) override;

 private:
  void clear_progress();

  std::FILE* stream_;
  bool quiet_;
  bool terminal_;
  bool progress_shown_ = false;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point last_progress_ = started_;
};

/// "what was there, what is there now": operators, parameters, inputs and outputs.
std::string model_table(const Report& report);

/// The arguments as one line for a POSIX shell.
std::string shell_line(const std::vector<std::string>& arguments);

/// The result object of --json.
std::string result_json(const Report& report, const std::string& verification_json,
                        const std::string& verify_command, const std::string& trtexec_command);
std::string error_json(const std::string& kind, const std::string& message,
                       const std::vector<std::string>& findings, int exit_code);

}  // namespace aether2onnx::cli
