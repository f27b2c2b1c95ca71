// Whether a file holds anything but data.

#include "judge/scan/scan.h"

#include "port/files.h"

namespace aether2onnx {

std::string_view to_string(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::tensors:
      return "tensors";
    case Verdict::harmless:
      return "harmless";
    case Verdict::suspicious:
      return "suspicious";
    case Verdict::dangerous:
      return "dangerous";
  }
  return "";
}

std::string_view to_string(ScanResult result) noexcept {
  switch (result) {
    case ScanResult::clean:
      return "clean";
    case ScanResult::unclear:
      return "unclear";
    case ScanResult::found:
      return "found";
  }
  return "";
}

ScanReport scan(const Input& input, const Context& context) {
  return scans::run(input, nullptr, context);
}

ScanReport scan_file(const std::filesystem::path& path, const Context& context) {
  const FileInput input(path);
  const io::FolderSiblings siblings(path);
  return scans::run(input, &siblings, context);
}

}  // namespace aether2onnx
