/// @file
/// Declarations that the POSIX files of this folder share.
#pragma once

#include <aether2onnx/aether2onnx.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "base/text.h"

namespace aether2onnx::port {

/// The signals that ask this program to end.
inline constexpr std::array kEndingSignals = {SIGINT, SIGTERM, SIGHUP};

/// Kills the child program of port::Process, if one runs, and all programs that the child started.
/// Async-signal-safe: a signal handler may call this function.
void kill_running_process() noexcept;

}  // namespace aether2onnx::port

namespace aether2onnx::posix {

/// Returns the operating system's message for an error number (a value of errno).
inline std::string reason(int error) { return std::generic_category().message(error); }

/// Throws Error(cancelled) if `cancelled` is true. Call this function before you repeat a system
/// call that a signal interrupted. `cancelled` may be null.
inline void check_interrupted(const std::atomic<bool>* cancelled) {
  Context{{}, nullptr, cancelled}.check_cancelled();
}

/// Owns an open file, pipe or device: the destructor closes it.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(); }
  int number() const { return number_; }
  /// Returns the descriptor's number, and no longer owns the descriptor: the caller must close it.
  int release() { return std::exchange(number_, -1); }
  void close() {
    if (number_ >= 0) ::close(number_);
    number_ = -1;
  }

 private:
  int number_;
};

}  // namespace aether2onnx::posix
