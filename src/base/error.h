/// @file
/// Throwing aether2onnx::Error with a formatted message.
#pragma once

#include <aether2onnx/aether2onnx.h>
#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace aether2onnx {

/// What went wrong, without the sentences for people. See Diagnostic.
struct Fault {
  ErrorKind kind = ErrorKind::internal;
  std::string code;
  std::string subject = {};
  std::string expected = {};
  std::string found = {};
};

/// Throws Error with the sentences formatted as by fmt::format.
template <typename... Args>
[[noreturn]] void fail(Fault fault, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fault.kind,
              Diagnostic{std::move(fault.code), std::move(fault.subject), std::move(fault.expected),
                         std::move(fault.found), fmt::format(format, std::forward<Args>(args)...)});
}

/// The same without a code. To be replaced by the one above.
template <typename... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(kind, Diagnostic{.text = fmt::format(format, std::forward<Args>(args)...)});
}

/// The sentences of several diagnostics.
inline std::vector<std::string> texts(const std::vector<Diagnostic>& diagnostics) {
  std::vector<std::string> result;
  for (const Diagnostic& diagnostic : diagnostics) result.push_back(diagnostic.text);
  return result;
}

/// An option in the sentences of a diagnostic, "{option:io_type}".
inline std::string option(std::string_view name) { return fmt::format("{{option:{}}}", name); }

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

/// Whether an error says nothing about the file that was being read, so that nobody may go on after
/// it: a defect, or that the call was cancelled.
inline bool must_pass_on(const Error& error) {
  return error.kind == ErrorKind::internal || error.kind == ErrorKind::cancelled;
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
