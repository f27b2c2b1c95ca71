/// @file
/// Shared by the POSIX files of the port.
#pragma once

#include <array>
#include <cerrno>
#include <csignal>

namespace aether2onnx::port {

/// The signals that ask the program to end.
inline constexpr std::array kEndingSignals = {SIGINT, SIGTERM, SIGHUP};

/// Kills the program that port::Process runs, if there is one. Async-signal-safe.
void kill_running_process() noexcept;

}  // namespace aether2onnx::port
