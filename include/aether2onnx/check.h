/// @file
/// Checks an ONNX file for problems that would stop or slow the programs that run the file.
///
/// A report owns all its data. Inputs, options and contexts belong to the caller; check() keeps no
/// reference to them. Calls may run in several threads at once if each call has its own input.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <aether2onnx/context.h>
#include <aether2onnx/io.h>
#include <aether2onnx/targets.h>

namespace aether2onnx {

/// How serious a problem in an ONNX file is. The least serious value comes first.
enum class Severity {
  note,     ///< Information only.
  warning,  ///< The file is slow, or may give a wrong picture, or may not run.
  error,    ///< The file does not run.
};

/// Returns "note", "warning" or "error".
AETHER2ONNX_API std::string_view to_string(Severity severity) noexcept;

struct CheckOptions {
  /// The programs that will run the file. If empty, check() checks the file for every program
  /// whose TargetInfo::by_default is true.
  std::vector<TargetVersion> targets;
};

/// A problem that check() found in an ONNX file. `what` and `remedy` contain options in the form
/// {option:NAME}. The caller can replace this form by its own spelling, for example "--io_type",
/// with spell_options().
struct Finding {
  struct Concern {
    Target target = Target::tensorrt;
    Severity severity = Severity::note;
    /// The versions of `target` that have the problem: "below 8.6", "11.0 or newer"; "" for all
    /// versions. If the problem lies in a runtime that `target` contains, the text names the
    /// runtime: "with TensorRT below 8.6".
    std::string versions;
  };

  /// The highest severity in `concerns`. Each entry of `concerns` states the severity for a target
  /// (program that runs ONNX files). If only some of the requested versions of this target have the
  /// problem, the severity in the entry is one step lower: an error becomes a warning, a warning
  /// becomes a note.
  Severity severity = Severity::note;
  std::string code;  ///< A stable name, "layernorm-half". docs/check.md lists all codes.
  std::string what;  ///< The problem in one line, with the name of the first node or tensor only.
  std::string remedy;
  std::uint64_t count = 1;  ///< The number of nodes, tensors or values with this problem.
  std::vector<Concern> concerns;
};

struct CheckReport {
  std::vector<Finding> findings;  ///< The most serious finding first.

  AETHER2ONNX_API std::uint64_t count(Severity severity) const;
};

/// Returns a list of everything in an ONNX file that would stop or slow the programs that run the
/// file. Accepts files from any exporter. Does not run the model, and reads one weight at a time.
///
/// Throws Error(unsupported) if the file is no ONNX file; Error(malformed) if the file is damaged;
/// Error(limit) if the file exceeds a limit; Error(usage) if `options` contain an invalid version.
AETHER2ONNX_API CheckReport check(const Input& input, const CheckOptions& options,
                                  const Context& context = {});

/// Checks a file on disk. The file's external data must be in the same folder. Throws the errors of
/// check(), and Error(io) if the file cannot be read.
AETHER2ONNX_API CheckReport check_file(const std::filesystem::path& path,
                                       const CheckOptions& options, const Context& context = {});

}  // namespace aether2onnx
