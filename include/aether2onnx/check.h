/// @file
/// Checks: what would stop or slow the programs that run an ONNX file.
///
/// Reports own all that they contain. Inputs, options and contexts belong to the caller; a call
/// keeps no reference to them. Calls may run in several threads at once, each with its own input.
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

/// How bad a finding is, in rising order.
enum class Severity {
  note,     ///< Good to know.
  warning,  ///< The file is slow, or may give a wrong picture, or may not run.
  error,    ///< The file does not run.
};

/// "note", "warning" or "error".
AETHER2ONNX_API std::string_view to_string(Severity severity) noexcept;

struct CheckOptions {
  /// The programs that will run the file. Empty: the targets with TargetInfo::by_default.
  std::vector<TargetVersion> targets;
};

/// One problem that a check found. An option in the texts is written {option:NAME}; see
/// spell_options().
struct Finding {
  struct Concern {
    Target target = Target::tensorrt;
    Severity severity = Severity::note;
    /// The versions with this problem: "below 8.6", "11.0 or newer"; "" for all versions. For a
    /// program that runs another target, the versions of that target: "with TensorRT below 8.6".
    std::string versions;
  };

  /// The worst severity of the concerns. A concern about only some of the requested versions
  /// counts one step less.
  Severity severity = Severity::note;
  std::string code;  ///< Stable, "layernorm-half". docs/check.md lists all codes.
  std::string what;  ///< One line. Names the first of several nodes or tensors.
  std::string remedy;
  std::uint64_t count = 1;  ///< The number of nodes, tensors or values with this problem.
  std::vector<Concern> concerns;
};

struct CheckReport {
  std::vector<Finding> findings;  ///< The worst first.

  AETHER2ONNX_API std::uint64_t count(Severity severity) const;
};

/// Lists everything in an ONNX file that would stop or slow the programs that run it. Works on
/// files from any exporter. Runs no model, and reads one weight at a time.
///
/// Throws Error(unsupported) if the file is no ONNX file; Error(malformed, limit) if the file is
/// too damaged or too large to read; Error(usage) if a version in `options` is none.
AETHER2ONNX_API CheckReport check(const Input& input, const CheckOptions& options,
                                  const Context& context = {});

/// The same for a file on disk, with the external data beside it. Also throws Error(io).
AETHER2ONNX_API CheckReport check_file(const std::filesystem::path& path,
                                       const CheckOptions& options, const Context& context = {});

}  // namespace aether2onnx
