/// @file
/// Scans: whether a file holds anything but data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <aether2onnx/context.h>
#include <aether2onnx/io.h>

namespace aether2onnx {

/// What a name in a pickle, which loading it in Python would import, is worth. By a list of what is
/// allowed: what isn't on it is suspicious at least.
enum class Verdict {
  tensors,     ///< What PyTorch rebuilds tensors with.
  harmless,    ///< Plain containers, numbers, paths, dates, layers of torch.nn.
  suspicious,  ///< Anything else.
  dangerous,   ///< Known to run code, start programs or reach files and networks.
};

/// What a scan comes to, from best to worst.
enum class ScanResult {
  clean,    ///< All of the file is understood, and it is data.
  unclear,  ///< Something in it isn't understood, so nothing can be said.
  found,    ///< Loading it would do or could do more than make tensors; or it is built to deceive.
};

/// "tensors", "harmless", …; "clean", "unclear" or "found".
AETHER2ONNX_API std::string_view to_string(Verdict verdict) noexcept;
AETHER2ONNX_API std::string_view to_string(ScanResult result) noexcept;

/// What a scan found. Texts from the file are made printable and cut short.
struct ScanReport {
  ScanResult result = ScanResult::unclear;  ///< The worst of everything below.
  std::string container;                    ///< "PyTorch zip", "safetensors", "ONNX", "pickle", …

  /// A name that a pickle has loading import.
  struct Global {
    std::string name;  ///< "torch._utils._rebuild_tensor_v2"
    Verdict verdict = Verdict::suspicious;
    std::string where;  ///< The first place: "archive/data.pkl".
    std::uint64_t count = 1;
  };
  std::vector<Global> globals;  ///< The worst first.

  /// A call that loading would make, of what is suspicious or dangerous: "os.system('rm …')".
  struct Call {
    std::string text;
    Verdict verdict = Verdict::suspicious;
    std::string where;
  };
  std::vector<Call> calls;

  /// Anything else, such as what makes loaders and scanners see different things.
  struct Finding {
    ScanResult weight = ScanResult::unclear;  ///< clean: good to know.
    std::string code;                         ///< Stable; docs/security.md has the list.
    std::string what;                         ///< One line.
  };
  std::vector<Finding> findings;  ///< The worst first.

  /// How many globals, calls and findings there are beyond those listed.
  std::uint64_t not_listed = 0;
};

/// Says whether the file is data and nothing else, without loading it. What can't be read or isn't
/// understood makes the result unclear, never clean.
///
/// Throws Error(io) where bytes can't be read.
AETHER2ONNX_API ScanReport scan(const Input& input, const Context& context = {});

/// The same for a file; the shards of an index are looked at where they lie beside it.
AETHER2ONNX_API ScanReport scan_file(const std::filesystem::path& path,
                                     const Context& context = {});

}  // namespace aether2onnx
