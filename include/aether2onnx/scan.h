/// @file
/// Scans a checkpoint or an ONNX file for anything other than data, for example code in a pickle.
///
/// A report owns all its data. Inputs and contexts belong to the caller; scan() keeps no reference
/// to them. Calls may run in several threads at once if each call has its own input.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <aether2onnx/context.h>
#include <aether2onnx/io.h>

namespace aether2onnx {

/// The verdict on a name (a function or class) that Python would import to load a pickle.
/// aether2onnx has a list of all allowed names. A name that is not on this list is suspicious or
/// dangerous.
enum class Verdict {
  tensors,     ///< PyTorch uses this name to rebuild tensors.
  harmless,    ///< Plain containers, numbers, paths, dates, layers of torch.nn.
  suspicious,  ///< Any other name.
  dangerous,   ///< Known to run code, start programs or reach files and networks.
};

/// The result of a scan. The enumerators are in order, from the best result to the worst result.
enum class ScanResult {
  clean,    ///< aether2onnx understands the whole file. The file contains only data.
  unclear,  ///< aether2onnx does not understand or cannot read a part of the file.
  found,    ///< Loading could do more than make tensors, or programs read different contents.
};

/// Returns "tensors", "harmless", "suspicious" or "dangerous".
AETHER2ONNX_API std::string_view to_string(Verdict verdict) noexcept;
/// Returns "clean", "unclear" or "found".
AETHER2ONNX_API std::string_view to_string(ScanResult result) noexcept;

/// The findings of scan(). Texts from the file are made printable and shortened.
struct ScanReport {
  ScanResult result = ScanResult::unclear;  ///< The worst result of any name, call or finding.
  std::string container;                    ///< "PyTorch zip", "safetensors", "ONNX", "pickle", …

  /// A name that Python would import to load the file.
  struct Global {
    std::string name;  ///< "torch._utils._rebuild_tensor_v2"
    Verdict verdict = Verdict::suspicious;
    std::string where;  ///< The first pickle that has the name: "archive/data.pkl".
    std::uint64_t count = 1;
  };
  std::vector<Global> globals;  ///< The worst verdict first.

  /// A suspicious or dangerous call that Python would make to load the file: "os.system('rm …')".
  struct Call {
    std::string text;
    Verdict verdict = Verdict::suspicious;
    std::string where;
  };
  std::vector<Call> calls;

  /// A problem that is neither a Global nor a Call. Example: the file contradicts itself, so two
  /// programs would read different contents from the file.
  struct Finding {
    ScanResult weight = ScanResult::unclear;  ///< `clean`: the finding is only information.
    std::string code;                         ///< A stable name. docs/security.md lists all codes.
    std::string what;                         ///< The problem in one line.
  };
  std::vector<Finding> findings;  ///< The worst result first.

  /// The number of further globals, calls and findings, which the lists above omit.
  std::uint64_t not_listed = 0;
};

/// Finds out whether the file contains only data, without loading the file. If aether2onnx cannot
/// read or understand a part of the file, the result is never `clean`.
///
/// Throws Error(io) if bytes of `input` cannot be read.
AETHER2ONNX_API ScanReport scan(const Input& input, const Context& context = {});

/// Scans a file on disk. If the file is the index of a sharded checkpoint, also scans the shards.
AETHER2ONNX_API ScanReport scan_file(const std::filesystem::path& path,
                                     const Context& context = {});

}  // namespace aether2onnx
