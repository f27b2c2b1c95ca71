/// @file
/// Checks: what would stop or slow the programs that run an ONNX file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <aether2onnx/context.h>
#include <aether2onnx/io.h>

namespace aether2onnx {

/// A program that runs ONNX files.
enum class CheckTarget {
  tensorrt,     ///< NVIDIA's, as trtexec and its ONNX parser take the file.
  onnxruntime,  ///< On any of its execution providers.
  vsmlrt,       ///< The VapourSynth filters of vs-mlrt.
  videojanai,
};

/// In rising order.
enum class Severity {
  note,     ///< Good to know.
  warning,  ///< Slow, possibly a wrong picture, or it depends.
  error,    ///< The file doesn't run there.
};

/// "tensorrt", "onnxruntime", "vsmlrt" or "videojanai"; "note", "warning" or "error".
AETHER2ONNX_API std::string_view to_string(CheckTarget target) noexcept;
AETHER2ONNX_API std::string_view to_string(Severity severity) noexcept;

struct CheckOptions {
  struct Target {
    CheckTarget target = CheckTarget::tensorrt;
    /// "8.6.1", "8.6" (any 8.6) or "10" (any 10); only of TensorRT and ONNX Runtime. Empty: the
    /// versions in use, TensorRT 8.6 and ONNX Runtime 1.17 or newer.
    std::string version;
  };
  /// What the file is meant for. Empty: all targets.
  std::vector<Target> targets;
};

/// One thing that a check found.
struct Finding {
  struct Concern {
    CheckTarget target = CheckTarget::tensorrt;
    Severity severity = Severity::note;
    /// For which versions it holds, "below 8.6", "11.0 or newer"; "" for all.
    std::string versions;
  };

  /// The worst of the concerns. What holds for some of the versions asked for is a step less bad
  /// than what holds for all.
  Severity severity = Severity::note;
  std::string code;  ///< Stable, "layernorm-half"; docs/check.md has the list.
  std::string what;  ///< One line; names the first node or tensor where there are several.
  std::string remedy;
  std::uint64_t count = 1;  ///< Nodes, tensors or values that it is about.
  std::vector<Concern> concerns;
};

struct CheckReport {
  std::vector<Finding> findings;  ///< The worst first.

  AETHER2ONNX_API std::uint64_t count(Severity severity) const;
};

/// Says what in an ONNX file, whoever made it, would stop or slow the programs that run it. Nothing
/// is run; weights are read one at a time.
///
/// Throws Error(unsupported, malformed, limit) where the file is no ONNX file, or damaged beyond
/// reading; Error(usage) where a version in `options` is none.
AETHER2ONNX_API CheckReport check(const Input& input, const CheckOptions& options,
                                  const Context& context = {});

/// The same for a file; its external data are read where they lie beside it. Throws Error(io) too.
AETHER2ONNX_API CheckReport check_file(const std::filesystem::path& path,
                                       const CheckOptions& options, const Context& context = {});

}  // namespace aether2onnx
