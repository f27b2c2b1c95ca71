/// @file
/// Errors and diagnostics.
#pragma once

#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <aether2onnx/api.h>

namespace aether2onnx {

/// What kind of thing went wrong, for programs that react to it. The text is in Error::what().
enum class ErrorKind {
  usage,         ///< An option is out of range or contradicts another one.
  io,            ///< A file can't be read, created or written.
  malformed,     ///< The file claims to be a checkpoint and is damaged or forged.
  unsupported,   ///< The file is something else, or a kind of checkpoint that is not read.
  mismatch,      ///< Keys or shapes don't fit the network, or contradict an option.
  precision,     ///< A weight can't be represented in the precision asked for.
  limit,         ///< A safety limit was reached.
  cancelled,     ///< The caller ended the call, see Context::cancelled.
  verification,  ///< The ONNX file isn't equal to the reference, or that could not be found out.
  engine,        ///< TensorRT's trtexec built no engine, or isn't there.
  internal,      ///< A defect of aether2onnx itself.
};

/// The kind's name as used in the program's JSON output, for example "malformed".
AETHER2ONNX_API std::string_view to_string(ErrorKind kind) noexcept;

/// Something that is wrong, or that the user should know: for programs and for people.
struct Diagnostic {
  std::string code;      ///< Stable, "zip-crc". docs/errors.md lists all codes.
  std::string subject;   ///< The file, entry, tensor or option that it is about.
  std::string expected;  ///< Empty if there was nothing to compare.
  std::string found;
  /// Sentences for a person. An option is written {option:NAME}, see spell_options().
  std::string text;
};

/// Replaces each {option:NAME} in `text` by what `spell` returns for NAME, so that each surface
/// writes options its own way: "--io_type" in the program, "io_type=" in Python.
AETHER2ONNX_API std::string spell_options(
    std::string_view text, const std::function<std::string(std::string_view)>& spell);

/// The one exception type of the library. what() is the diagnostic's text with the bare names of
/// options.
struct AETHER2ONNX_API Error : std::runtime_error {
  Error(ErrorKind kind, Diagnostic diagnostic, std::vector<Diagnostic> findings = {});
  // Without a code. To be removed.
  Error(ErrorKind kind, const std::string& message) : Error(kind, Diagnostic{.text = message}) {}
  Error(ErrorKind kind, const std::string& message, const std::vector<std::string>& findings);

  ErrorKind kind;
  Diagnostic diagnostic;
  /// One entry for each problem if several were collected, for example every missing and unexpected
  /// key of a checkpoint. The diagnostic's text already contains them, one a line.
  std::vector<Diagnostic> findings;
};

}  // namespace aether2onnx
