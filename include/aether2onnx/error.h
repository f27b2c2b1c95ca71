/// @file
/// Errors and diagnostics.
///
/// Everything here is plain data. Copies are independent of each other.
#pragma once

#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <aether2onnx/api.h>

namespace aether2onnx {

/// The kind of an error, for programs that react to errors.
enum class ErrorKind {
  usage,        ///< An option is out of range or contradicts another one.
  io,           ///< A file can't be read, created or written.
  malformed,    ///< The file claims to be a checkpoint and is damaged or forged.
  unsupported,  ///< The file has another format, or is a kind of checkpoint that is not read.
  mismatch,     ///< Keys or shapes don't fit the network, or contradict an option.
  precision,    ///< The precision can't represent a weight.
  limit,        ///< A safety limit was reached.
  cancelled,    ///< The caller ended the call, see Context::cancelled.
  internal,     ///< A defect of aether2onnx.
};

/// The name of the kind in the program's JSON output, for example "malformed".
AETHER2ONNX_API std::string_view to_string(ErrorKind kind) noexcept;

/// An error, a warning or a finding, for programs and for people.
struct Diagnostic {
  std::string code = {};      ///< Stable, "zip-crc". docs/errors.md lists all codes.
  std::string subject = {};   ///< The file, entry, tensor or option.
  std::string expected = {};  ///< Empty if nothing was compared.
  std::string found = {};
  /// Sentences for a person. An option is written {option:NAME}, see spell_options().
  std::string text = {};
};

/// Replaces each {option:NAME} in `text` by the result of spell(NAME). Each surface writes options
/// its own way: "--io_type" in the program, "io_type=" in Python.
AETHER2ONNX_API std::string spell_options(
    std::string_view text, const std::function<std::string(std::string_view)>& spell);

/// The one exception type of the library. what() is the diagnostic's text with the bare names of
/// options.
struct AETHER2ONNX_API Error : std::runtime_error {
  Error(ErrorKind which, Diagnostic what, std::vector<Diagnostic> all_findings = {});

  ErrorKind kind;
  Diagnostic diagnostic;
  /// One entry for each problem if several were collected, for example every missing and unexpected
  /// key of a checkpoint. The diagnostic's text already contains them, one a line.
  std::vector<Diagnostic> findings;
};

}  // namespace aether2onnx
