/// @file
/// Functions that throw aether2onnx::Error with a formatted message.
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

/// The parts of an Error that fail() needs besides the text: the kind, and members of Diagnostic.
struct Fault {
  ErrorKind kind = ErrorKind::internal;
  std::string code;
  std::string subject = {};
  std::string expected = {};
  std::string found = {};
};

/// Throws the Error `fault` with a text that is formatted as by fmt::format. In a switch, put each
/// call of fail() into its own braces, because otherwise clang 14 destroys the Fault of another
/// case.
template <typename... Args>
[[noreturn]] void fail(Fault fault, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fault.kind,
              Diagnostic{std::move(fault.code), std::move(fault.subject), std::move(fault.expected),
                         std::move(fault.found), fmt::format(format, std::forward<Args>(args)...)});
}

/// Returns the member `text` of each diagnostic.
inline std::vector<std::string> texts(const std::vector<Diagnostic>& diagnostics) {
  std::vector<std::string> result;
  result.reserve(diagnostics.size());
  for (const Diagnostic& diagnostic : diagnostics) result.push_back(diagnostic.text);
  return result;
}

/// Returns the form in which the text of a Diagnostic contains an option, "{option:io_type}".
inline std::string option(std::string_view name) { return fmt::format("{{option:{}}}", name); }

/// Throws Error(internal). Used for states that only a defect of aether2onnx can cause, no input.
[[noreturn]] inline void defect(const char* what) {
  fail({ErrorKind::internal, "internal"},
       "internal error: {}\nThis is a defect of aether2onnx. Please report it.", what);
}

/// Calls defect(what), which throws, unless `condition` is true.
inline void require(bool condition, const char* what) {
  if (!condition) defect(what);
}

/// Whether the error is a defect of aether2onnx or a cancelled task. A caller that catches errors
/// of a file must throw these two kinds again, because they are not about the file.
inline bool must_pass_on(const Error& error) {
  return error.kind == ErrorKind::internal || error.kind == ErrorKind::cancelled;
}

/// Returns `count` as a size in memory. Throws Error(limit) if this build can't address so many
/// bytes, which happens only in builds for 32 bits (WebAssembly).
inline std::size_t to_size(std::uint64_t count) {
  if (count > std::numeric_limits<std::size_t>::max()) {
    fail({ErrorKind::limit, "limit-address-space", "",
          fmt::format("at most {} bytes", std::numeric_limits<std::size_t>::max()),
          fmt::format("{} bytes", count)},
         "{} bytes are needed at once. This build can't address so many bytes.", count);
  }
  return static_cast<std::size_t>(count);
}

}  // namespace aether2onnx
