/// @file
/// Throwing aether2onnx::Error with a formatted message.
#pragma once

#include <aether2onnx/aether2onnx.h>
#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <limits>
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

/// `count` as a size in memory. Throws Error(limit) where it is beyond what this build can address,
/// which only one for 32 bits (WebAssembly) can run into.
inline std::size_t to_size(std::uint64_t count) {
  if (count > std::numeric_limits<std::size_t>::max()) {
    fail(ErrorKind::limit, "{} bytes are needed at once, more than this build can address.", count);
  }
  return static_cast<std::size_t>(count);
}

}  // namespace aether2onnx
