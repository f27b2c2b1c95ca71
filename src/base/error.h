/// @file
/// Throwing aether2onnx::Error with a formatted message.
#pragma once

#include <aether2onnx/aether2onnx.h>
#include <fmt/format.h>

#include <utility>

namespace aether2onnx {

/// Throws Error(kind) with the message formatted as by fmt::format.
template <typename... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

/// Throws Error(internal) unless `condition` holds: for invariants that only a defect of
/// aether2onnx can break, whatever the input.
inline void require(bool condition, const char* what) {
  if (!condition) {
    fail(ErrorKind::internal, "internal error: {}\nThis is a defect of aether2onnx; please report it.",
         what);
  }
}

}  // namespace aether2onnx
