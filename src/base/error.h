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

/// Throws Error(internal): for what only a defect of aether2onnx can bring about, whatever the
/// input.
[[noreturn]] inline void defect(const char* what) {
  fail(ErrorKind::internal,
       "internal error: {}\nThis is a defect of aether2onnx; please report it.", what);
}

/// Calls defect() unless `condition` holds.
inline void require(bool condition, const char* what) {
  if (!condition) defect(what);
}

}  // namespace aether2onnx
