/// @file
/// What an operating system gives beside files (files.h): threads, signals, processes, libraries,
/// the terminal, memory, the environment.
///
/// No other folder includes a header of an operating system. There is one implementation a system:
/// posix*.cpp, and memory.cpp for WebAssembly, which has none of these things.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace aether2onnx::port {

// --- threads ----------------------------------------------------------------------------------

/// Work that may run on a thread of its own.
class Beside {
 public:
  Beside();
  Beside(const Beside&) = delete;
  Beside& operator=(const Beside&) = delete;
  /// Waits for work that runs. Work that has not begun never runs.
  ~Beside();

  /// Starts `work`; at most once. Without `on_own_thread`, or if the system has no more threads,
  /// `work` runs in finish().
  void start(std::function<void()> work, bool on_own_thread);
  /// Waits until the work is done. Throws what the work threw.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Runs `work` on up to `threads` threads at the same time, the caller's thread among them, and
/// waits for all of them. `work` throws nothing.
void run_on_threads(std::size_t threads, const std::function<void()>& work);

/// The number of processors, at least 1.
std::size_t processors();

// --- signals ----------------------------------------------------------------------------------

/// From now on a signal that asks the program to end (SIGINT, SIGTERM, SIGHUP) only sets the
/// returned flag, so that the work under way can clean up. A signal that comes a second or more
/// after the first one ends the program at once. Ignores SIGPIPE and SIGXFSZ, so that writing fails
/// with an error instead.
const std::atomic<bool>& cancel_on_signals();

/// The flag of cancel_on_signals().
const std::atomic<bool>& cancelled_by_signal();

/// Ends the program by the signal that set the flag. Returns if none did.
void end_by_signal();

// --- processes --------------------------------------------------------------------------------

/// How a program ended.
struct ProcessEnd {
  int exit_code = -1;   ///< -1 if a signal ended the program.
  std::string signal;   ///< "signal 9 (Killed)"; "" if no signal ended the program.
  bool killed = false;  ///< By SIGKILL.
  bool crashed = false;
};

/// Another program that runs, started without a shell; one at a time. Its standard input is empty.
class Process {
 public:
  /// Starts the program `words[0]`, a path, with the other words as its arguments. Its output goes
  /// to the file `log`, which is emptied first.
  ///
  /// Throws Error(io) if `log` can't be written, Error(engine) if the program can't be started.
  Process(const std::vector<std::string>& words, const std::filesystem::path& log);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  /// Ends the program if it still runs, with all programs that it started. Waits some seconds
  /// before it kills them.
  ~Process();

  /// Waits at most `time` for the program's end. Returns nullopt if the program still runs.
  std::optional<ProcessEnd> wait_for(std::chrono::milliseconds time);

 private:
  std::optional<ProcessEnd> end_;
};

/// Runs a program and returns its standard output, at most `most` bytes. Ends the program when
/// `time` is over or the text is `enough`. Returns "" if the program can't be started. `enough` may
/// throw.
std::string output_of(const std::vector<std::string>& words, std::chrono::milliseconds time,
                      std::size_t most, const std::function<bool(const std::string&)>& enough);

/// Whether `path` is a file that may be run.
bool is_executable(const std::filesystem::path& path);

// --- libraries --------------------------------------------------------------------------------

/// A shared library. It stays loaded until the program ends.
struct Library {
  void* handle = nullptr;
  std::string problem;  ///< Why the library can't be loaded.
};

/// Loads the library of that path. A name without a folder is looked for in the system's places.
Library load_library(const std::filesystem::path& path);

/// The function of that name, null if the library has none.
void* find_symbol(const Library& library, const char* name);

// --- the program and the machine --------------------------------------------------------------

/// The folder of the running program; empty if unknown.
std::filesystem::path program_folder();

/// A variable of the environment; "" if it is not set.
std::string environment(const char* name);
/// Sets a variable of the environment unless it is set already.
void set_environment_default(const char* name, const char* value);

/// Whether a person watches what is written to the stream.
bool is_terminal(std::FILE* stream);

/// Bytes that this process may still take: what the system has left and what limits on the process
/// allow. Nullopt if neither is known.
std::optional<std::uint64_t> available_memory();

/// Makes the allocator keep freed memory instead of returning it to the system.
void keep_freed_memory();

}  // namespace aether2onnx::port
