/// @file
/// The services of an operating system: threads, signals, processes, libraries, the terminal,
/// memory, the environment. Files are in files.h.
///
/// No other folder includes a header of an operating system. Each system has its implementation:
/// posix*.cpp for POSIX, windows*.cpp for Windows, memory.cpp for WebAssembly, which has no such
/// services.
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
#include <string_view>
#include <vector>

#include "port/files.h"

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

  /// Starts `work`. Call start() at most once. `work` runs in finish() if `on_own_thread` is false
  /// or the system has no more threads.
  void start(std::function<void()> work, bool on_own_thread);
  /// Waits until the work is done. Rethrows the exception of the work.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Calls a function as soon as a flag becomes true, on a thread of its own.
class Watch {
 public:
  /// `act` must not throw and is called once at most. A flag that is null never becomes true. A
  /// system without threads watches nothing.
  Watch(const std::atomic<bool>* flag, std::function<void()> act);
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  /// Ends the watching. Waits for `act` if it runs.
  ~Watch();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Runs `work` on up to `threads` threads at the same time and waits for all of them. The caller's
/// thread is one of them. `work` must not throw.
void run_on_threads(std::size_t threads, const std::function<void()>& work);

/// The number of processors, at least 1.
std::size_t processors();

// --- start and end of the program -------------------------------------------------------------

#if defined(_WIN32)
inline constexpr bool kIsWindows = true;
#else
inline constexpr bool kIsWindows = false;
#endif

/// The words of the command line in UTF-8, from the arguments of main(). On Windows, where shells
/// leave that to programs, a word with '*' or '?' becomes the sorted paths that match it, if any.
/// main() calls this first: on Windows it also keeps libraries of the current folder from being
/// loaded.
std::vector<std::string> arguments(int count, char** values);

/// Waits for a key if the program's window would vanish with the program, and with it what was
/// printed: on Windows after a file was dropped onto the program.
void keep_window_open();

/// From now on SIGINT, SIGTERM and SIGHUP only set the returned flag, so that the running task can
/// clean up. Another such signal a second or more after the first ends the program at once.
/// SIGPIPE and SIGXFSZ are ignored, so that writing fails with an error instead. On Windows:
/// Ctrl-C, Ctrl-Break, the closing of the console's window, and the end of the session.
const std::atomic<bool>& cancel_on_signals();

/// From now on the end of standard input, a pipe, sets the flag of cancel_on_signals() as well: the
/// program that wrote to the pipe closed it or ended.
void cancel_when_input_ends();

/// The flag of cancel_on_signals().
const std::atomic<bool>& cancelled_by_signal();

/// Ends the program by the signal that set the flag. Returns if no signal came.
void end_by_signal();

// --- processes --------------------------------------------------------------------------------

/// How a program ended.
struct ProcessEnd {
  int exit_code = -1;   ///< -1 if a signal ended the program.
  std::string signal;   ///< "signal 9 (Killed)"; "" if no signal ended the program.
  bool killed = false;  ///< The signal was SIGKILL.
  bool crashed = false;
};

/// A running program, started without a shell. Only one may run at a time. Its standard input is
/// empty.
class Process {
 public:
  /// Starts the program at the path `words[0]` with the other words as its arguments. The program's
  /// output replaces the content of the file `log`.
  ///
  /// Throws Error(io) if `log` can't be written or is one of the files `read`, or if the program
  /// can't be started.
  Process(const std::vector<std::string>& words, const std::filesystem::path& log,
          const io::FilesRead& read);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  /// Ends the program and all programs that it started, if they still run. Asks them to end, and
  /// kills them after some seconds.
  ~Process();

  /// Waits at most `time` for the end of the program. Returns nullopt if the program still runs.
  std::optional<ProcessEnd> wait_for(std::chrono::milliseconds time);

 private:
  std::optional<ProcessEnd> end_;
};

/// Runs a program and returns its standard output, at most `most` bytes. Ends the program after
/// `time`, or as soon as `enough` returns true for the text so far. Returns "" if the program can't
/// be started. `enough` may throw.
std::string output_of(const std::vector<std::string>& words, std::chrono::milliseconds time,
                      std::size_t most, const std::function<bool(const std::string&)>& enough);

/// What the file names of programs end in: ".exe" on Windows.
inline constexpr const char* kProgramSuffix = kIsWindows ? ".exe" : "";

/// Whether `path` is a file that this process may run. On Windows only ".exe": the others are run
/// by a shell, which gives characters in the arguments a meaning.
bool is_executable(const std::filesystem::path& path);

// --- libraries --------------------------------------------------------------------------------

/// A shared library. It stays loaded until the program ends.
struct Library {
  void* handle = nullptr;
  std::string problem;  ///< Why the library can't be loaded.
};

/// Loads the library at `path`. The system searches its own folders for a name without a folder.
Library load_library(const std::filesystem::path& path);

/// Returns the function `name`, or null if the library has no such function.
void* find_symbol(const Library& library, const char* name);

// --- the program and the machine --------------------------------------------------------------

/// The folder of the running program; empty if unknown.
std::filesystem::path program_folder();

/// The absolute folders of the environment variable PATH. What relative ones hold depends on the
/// current folder, and is not run unasked.
std::vector<std::filesystem::path> folders_of_path();

/// The value of an environment variable, "" if it is not set.
std::string environment(const char* name);
/// Sets an environment variable unless it is set already.
void set_environment_default(const char* name, const char* value);

/// Writes all of `text` and flushes. Returns false if the stream fails (a closed pipe, a full
/// disk), or if a signal of cancel_on_signals() came while the stream took no bytes.
bool write_text(std::FILE* stream, std::string_view text);

/// Whether the stream is a terminal that knows escape sequences.
bool is_terminal(std::FILE* stream);

/// Bytes that this process can still allocate: the smallest of the system's free memory and all
/// limits on the process. Nullopt if all are unknown.
std::optional<std::uint64_t> available_memory();

/// Makes the allocator keep freed memory instead of returning it to the system.
void keep_freed_memory();

}  // namespace aether2onnx::port
