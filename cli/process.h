/// @file
/// Running another program, without a shell. One at a time.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace aether2onnx::cli {

/// How a program ended.
struct ProcessEnd {
  int exit_code = -1;  ///< -1 where a signal ended it.
  int signal = 0;      ///< 0 where none did.
};

/// A running program. Its standard input is empty; it and what it starts are a process group of
/// their own, which end_running_process() ends.
class Process {
 public:
  /// Starts the program `words[0]`, a path, with the other words as its arguments. What it prints
  /// goes to the file `log`, which is emptied first.
  ///
  /// Throws Error(io) where `log` can't be written, Error(engine) where the program can't be
  /// started.
  Process(const std::vector<std::string>& words, const std::filesystem::path& log);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  /// Ends the program where it still runs.
  ~Process();

  /// Waits for its end, `time` at the most; nothing where it still runs.
  std::optional<ProcessEnd> wait_for(std::chrono::milliseconds time);

 private:
  std::optional<ProcessEnd> end_;
};

/// What the program prints on its standard output, the first `most` bytes of it, until it ends,
/// `time` is over or the text is `enough`; it is ended then. "" where it can't be started.
std::string output_of(const std::vector<std::string>& words, std::chrono::milliseconds time,
                      std::size_t most, const std::function<bool(const std::string&)>& enough);

/// Whether `path` is a file that may be run.
bool is_executable(const std::filesystem::path& path);

/// "Killed", for example.
std::string signal_name(int signal);

/// Passes the signal on to the program that runs, and comes back when it has ended; one that
/// doesn't within some seconds is killed. For signal handlers; async-signal-safe.
void end_running_process(int signal) noexcept;

}  // namespace aether2onnx::cli
