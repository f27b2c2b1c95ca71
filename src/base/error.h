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

/// Describes an error for fail(): the kind, and all members of Diagnostic except `text`.
struct Fault {
  ErrorKind kind = ErrorKind::internal;
  std::string code;
  std::string subject = {};
  std::string expected = {};
  std::string found = {};
};

/// Throws the Error that `fault` describes. fmt::format() makes the text from the other arguments.
/// In a switch, put each call of fail() into its own braces. Otherwise, a program that Clang 14
/// compiled destroys the Fault of another case (a compiler bug).
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

/// Returns "{option:io_type}" for "io_type". Texts of Diagnostics name options in this form.
/// spell_options() replaces the form by the user's spelling, for example "--io_type".
inline std::string option(std::string_view name) { return fmt::format("{{option:{}}}", name); }

/// Throws Error(internal). Call defect() for a state that no input can cause. If the state occurs
/// nevertheless, aether2onnx itself has a defect.
[[noreturn]] inline void defect(const char* what) {
  fail({ErrorKind::internal, "internal"},
       "internal error: {}\nThis is a defect of aether2onnx. Please report it.", what);
}

/// Calls defect(what), which throws, unless `condition` is true.
inline void require(bool condition, const char* what) {
  if (!condition) defect(what);
}

/// Whether the error reports a defect of aether2onnx, or that the caller cancelled the task. These
/// two kinds of errors say nothing about the input file. Code that catches errors of the input file
/// must throw these two kinds again.
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
