/// @file
/// The exception type of the library, and the structure of errors, warnings and findings. A finding
/// is one entry in a list of problems of the same file.
///
/// All types here are plain data. Copies are independent of each other.
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
  usage,        ///< An option is out of range or contradicts another option.
  io,           ///< A file can't be read, created or written.
  malformed,    ///< The file claims to be a checkpoint, but is damaged or forged.
  unsupported,  ///< aether2onnx does not read this format or this kind of checkpoint.
  mismatch,     ///< Keys or shapes in the file don't fit the network, or contradict an option.
  precision,    ///< A weight is NaN, infinite, or too large for its type.
  limit,        ///< A safety limit or the memory was exceeded.
  cancelled,    ///< The caller ended the call, see Context::cancelled.
  internal,     ///< A defect of aether2onnx.
};

/// Returns the name of the kind in the program's JSON output, for example "malformed".
AETHER2ONNX_API std::string_view to_string(ErrorKind kind) noexcept;

/// An error, a warning or a finding (one entry in a list of problems). Programs can use `code`;
/// `text` is for people.
struct Diagnostic {
  std::string code = {};      ///< A stable name, "zip-crc". docs/errors.md lists all codes.
  std::string subject = {};   ///< The file, entry, tensor or option with the problem.
  std::string expected = {};  ///< The expected value. Empty if nothing was compared.
  std::string found = {};
  /// Sentences for a person. Options are written as {option:NAME}, see spell_options().
  std::string text = {};
};

/// Returns `text` with spell(NAME) instead of each {option:NAME}. This is needed because the
/// program and the Python package write an option in different ways: "--io_type" and "io_type=".
AETHER2ONNX_API std::string spell_options(
    std::string_view text, const std::function<std::string(std::string_view)>& spell);

/// The library's only exception type. what() returns the text of `diagnostic`, in which NAME
/// replaces {option:NAME}.
struct AETHER2ONNX_API Error : std::runtime_error {
  Error(ErrorKind which, Diagnostic what, std::vector<Diagnostic> all_findings = {});

  ErrorKind kind;
  Diagnostic diagnostic;
  /// One entry for each problem, if the text of `diagnostic` lists problems. Example: every missing
  /// and unexpected key of a checkpoint. The text may omit the end of a long list. In errors about
  /// ReadOptions::params_key, the entries are not problems, but paths of the file's state dicts.
  std::vector<Diagnostic> findings;
};

}  // namespace aether2onnx
