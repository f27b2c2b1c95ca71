/// @file
/// Declares what this program uses of an operating system: threads, signals, processes, libraries,
/// the terminal, memory, and environment variables. files.h declares the functions for files.
///
/// Only this folder includes headers of operating systems. posix*.cpp implement the functions on
/// POSIX systems, windows*.cpp on Windows, and threads.cpp on both. WebAssembly has none of these
/// services: its build has only the section "threads", which memory.cpp implements without threads.
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

/// A task that start() can run on a separate thread.
class Beside {
 public:
  Beside();
  Beside(const Beside&) = delete;
  Beside& operator=(const Beside&) = delete;
  /// If the task is running, waits for the end of the task. A task that has not begun never runs.
  ~Beside();

  /// Starts the task `work` on a separate thread. Call start() at most once. If `on_own_thread` is
  /// false or the system can create no more threads, finish() runs the task instead.
  void start(std::function<void()> work, bool on_own_thread);
  /// Waits until the task has ended. Rethrows the exception that the task threw.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Watches a flag on a separate thread, and calls a function as soon as the flag becomes true.
class Watch {
 public:
  /// Calls `act` at most once. `act` must not throw. Never calls `act` if `flag` is null or the
  /// system has no threads.
  Watch(const std::atomic<bool>* flag, std::function<void()> act);
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  /// Stops watching. If `act` is running, waits for its end.
  ~Watch();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Calls `work` on up to `threads` threads at the same time, the caller's thread included. Returns
/// when all calls have returned. `work` must not throw.
void run_on_threads(std::size_t threads, const std::function<void()>& work);

/// Returns the number of processors, at least 1.
std::size_t processors();

// --- start and end of the program -------------------------------------------------------------

#if defined(_WIN32)
inline constexpr bool kIsWindows = true;
#else
inline constexpr bool kIsWindows = false;
#endif

/// Returns the arguments of the command line in UTF-8. `count` and `values` are those of main().
/// Windows shells do not expand wildcards. So this function replaces an argument on Windows whose
/// file name contains '*' or '?' by the sorted paths that match, if any paths match. On Windows,
/// also prevents that libraries are loaded from the current folder, so main() must call this
/// function first.
std::vector<std::string> arguments(int count, char** values);

/// On Windows, waits for a key if the window closes when the program ends, for example after a file
/// was dropped onto the program. Otherwise the user could not read the output.
void keep_window_open();

/// Handles signals and returns a flag. From now on SIGINT, SIGTERM and SIGHUP only set the flag, so
/// that the running task can clean up. If another of these signals arrives a second or more after
/// the first, the signal ends the program at once. SIGPIPE and SIGXFSZ are ignored, so that a write
/// fails with an error instead of ending the program. On Windows, the signals are Ctrl-C,
/// Ctrl-Break, the closing of the console window, and the end of the session.
const std::atomic<bool>& cancel_on_signals();

/// Watches standard input, which must be a pipe from the program that started this program (option
/// --supervised). If the other program ends or closes the pipe, sets the flag that
/// cancel_on_signals() returns, so that the running task stops.
void cancel_when_input_ends();

/// Returns the flag of cancel_on_signals(): whether a signal asked this program to end.
const std::atomic<bool>& cancelled_by_signal();

/// Ends this program with the signal that set the flag of cancel_on_signals(), so that a shell sees
/// the signal. Returns if no signal set the flag.
void end_by_signal();

// --- processes --------------------------------------------------------------------------------

/// How a child program ended.
struct ProcessEnd {
  int exit_code = -1;   ///< -1 if a signal ended the program.
  std::string signal;   ///< "signal 9 (Killed)"; "" if no signal ended the program.
  bool killed = false;  ///< Whether the signal was SIGKILL.
  bool crashed = false;
};

/// A child program that this process starts without a shell. Only one child program may run at a
/// time. The standard input of the child is empty.
class Process {
 public:
  /// Starts the child program at the path `words[0]`; the other elements of `words` are arguments.
  /// The child's standard output and standard error replace the content of the file `log`.
  ///
  /// Throws Error(io) if `log` can't be written or is one of the files in `read`, or if the program
  /// can't be started.
  Process(const std::vector<std::string>& words, const std::filesystem::path& log,
          const io::FilesRead& read);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  /// Ends the child program and all programs that the child started, if any of them still runs.
  /// Asks these programs to end, and kills them after 5 seconds.
  ~Process();

  /// Waits at most `time` for the child program to end. Returns nullopt if the child still runs.
  std::optional<ProcessEnd> wait_for(std::chrono::milliseconds time);

 private:
  std::optional<ProcessEnd> end_;
};

/// Runs the program `words[0]` with the other `words` as arguments. Returns the program's standard
/// output, at most `most` bytes. Ends the program after `time`, or as soon as `enough` returns true
/// for the output so far. If `enough` throws, ends the program and rethrows the exception. Returns
/// "" if the program can't be started.
std::string output_of(const std::vector<std::string>& words, std::chrono::milliseconds time,
                      std::size_t most, const std::function<bool(const std::string&)>& enough);

/// The ending of the file names of programs: ".exe" on Windows.
inline constexpr const char* kProgramSuffix = kIsWindows ? ".exe" : "";

/// Returns whether `path` is a file that this process may run. On Windows the file must end in
/// ".exe", because Windows runs files with other endings through a shell, and shells interpret
/// special characters in arguments.
bool is_executable(const std::filesystem::path& path);

// --- libraries --------------------------------------------------------------------------------

/// A shared library, which stays loaded until this program ends.
struct Library {
  void* handle = nullptr;
  std::string problem;  ///< Why the library can't be loaded; "" if it is loaded.
};

/// Loads the library at `path`. For a name without a folder, searches the system's folders; on
/// Windows, searches the folder of this program first.
Library load_library(const std::filesystem::path& path);

/// Returns the function `name`, or null if the library has no such function.
void* find_symbol(const Library& library, const char* name);

// --- the program and the machine --------------------------------------------------------------

/// Returns the folder that contains this program; an empty path if the folder is unknown.
std::filesystem::path program_folder();

/// Returns the absolute folders in the environment variable PATH. Omits relative folders, because
/// they depend on the current folder, whose programs must not run unless the user asks for them.
std::vector<std::filesystem::path> folders_of_path();

/// Returns the value of an environment variable; "" if the variable is not set.
std::string environment(const char* name);
/// Sets an environment variable unless the variable is set already.
void set_environment_default(const char* name, const char* value);

/// Writes all of `text` and flushes. Returns false if the stream fails (a closed pipe, a full
/// disk). Also returns false if the flag of cancel_on_signals() is set while the stream accepts no
/// bytes.
bool write_text(std::FILE* stream, std::string_view text);

/// Returns whether the stream is a terminal. On Windows, also switches on escape sequences, and
/// returns false if the terminal does not support escape sequences.
bool is_terminal(std::FILE* stream);

/// Returns the number of bytes that this process can still allocate: the smallest of the system's
/// free memory and all limits on the process. Returns nullopt if none of these numbers is known.
std::optional<std::uint64_t> available_memory();

/// Makes the allocator keep freed memory instead of returning it to the system, because the return
/// of large blocks takes much time. Has an effect only with glibc.
void keep_freed_memory();

}  // namespace aether2onnx::port
