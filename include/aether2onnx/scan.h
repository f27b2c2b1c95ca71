/// @file
/// Scans: whether a file contains anything but data.
///
/// Reports own all that they contain. Inputs and contexts belong to the caller; a call
/// keeps no reference to them. Calls may run in several threads at once, each with its own input.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <aether2onnx/context.h>
#include <aether2onnx/io.h>

namespace aether2onnx {

/// The verdict on a name that Python would import to load a pickle. A list names everything that is
/// allowed. A name that is not on the list is at least suspicious.
enum class Verdict {
  tensors,     ///< PyTorch rebuilds tensors with this name.
  harmless,    ///< Plain containers, numbers, paths, dates, layers of torch.nn.
  suspicious,  ///< Any other name.
  dangerous,   ///< Known to run code, start programs or reach files and networks.
};

/// The result of a scan, from best to worst.
enum class ScanResult {
  clean,    ///< The whole file is understood and is data.
  unclear,  ///< The file has a part that is not understood.
  found,    ///< Loading the file would or could do more than make tensors, or the file deceives.
};

/// "tensors", "harmless", …; "clean", "unclear" or "found".
AETHER2ONNX_API std::string_view to_string(Verdict verdict) noexcept;
AETHER2ONNX_API std::string_view to_string(ScanResult result) noexcept;

/// What a scan found. Texts from the file are printable and cut short.
struct ScanReport {
  ScanResult result = ScanResult::unclear;  ///< The worst result of everything below.
  std::string container;                    ///< "PyTorch zip", "safetensors", "ONNX", "pickle", …

  /// A name that Python would import.
  struct Global {
    std::string name;  ///< "torch._utils._rebuild_tensor_v2"
    Verdict verdict = Verdict::suspicious;
    std::string where;  ///< The first pickle with the name: "archive/data.pkl".
    std::uint64_t count = 1;
  };
  std::vector<Global> globals;  ///< The worst first.

  /// A call of a suspicious or dangerous name that loading would make: "os.system('rm …')".
  struct Call {
    std::string text;
    Verdict verdict = Verdict::suspicious;
    std::string where;
  };
  std::vector<Call> calls;

  /// Anything else, for example a contradiction that makes loaders and scanners disagree.
  struct Finding {
    ScanResult weight = ScanResult::unclear;  ///< clean: only good to know.
    std::string code;                         ///< Stable. docs/security.md lists all codes.
    std::string what;                         ///< One line.
  };
  std::vector<Finding> findings;  ///< The worst first.

  /// The number of globals, calls and findings beyond the listed ones.
  std::uint64_t not_listed = 0;
};

/// Says whether the file contains only data, without loading the file. A part that cannot be read
/// or is not understood makes the result unclear, never clean.
///
/// Throws Error(io) if bytes cannot be read.
AETHER2ONNX_API ScanReport scan(const Input& input, const Context& context = {});

/// The same for a file on disk, with the shards beside an index.
AETHER2ONNX_API ScanReport scan_file(const std::filesystem::path& path,
                                     const Context& context = {});

}  // namespace aether2onnx
