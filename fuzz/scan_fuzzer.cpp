// Scans any bytes. The readers must accept every file that scan calls clean.

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "state_dict/state_dict.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace aether2onnx;
  const MemoryInput input(std::as_bytes(std::span(data, size)));
  const ScanReport report = scan(input);
  const auto visible = [](const std::string& text) {
    return std::none_of(text.begin(), text.end(), [](char c) {
      return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x7f;
    });
  };
  ScanResult worst = ScanResult::clean;
  for (const auto& global : report.globals) {
    if (!visible(global.name) || !visible(global.where)) std::abort();
    if (global.verdict >= Verdict::suspicious) worst = ScanResult::found;
  }
  for (const auto& call : report.calls) {
    if (!visible(call.text) || !visible(call.where)) std::abort();
    worst = ScanResult::found;
  }
  for (const auto& finding : report.findings) {
    if (!visible(finding.what)) std::abort();
    worst = std::max(worst, finding.weight);
  }
  if (report.not_listed == 0 && worst != report.result) std::abort();
  if (report.result != ScanResult::clean) return 0;
  // A pickle alone is no checkpoint. The readers treat a pickle of protocol 0 as text.
  if (report.container == "pickle" || report.container == "ONNX") return 0;
  try {
    if (!state_dict::audit(input, nullptr, {}).contradictions.empty()) std::abort();
  } catch (const Error&) {
    std::abort();
  }
  return 0;
}
