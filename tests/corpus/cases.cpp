#include "corpus.h"

namespace aether2onnx::corpus {

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

void refused(Cases& cases, const std::string& name, std::string_view bytes, const Refusal& refusal,
             ScanResult scan) {
  cases.push_back({name, bytes_of(bytes), refusal.kind, refusal.text, scan, false, refusal.code});
}

void refused(Cases& cases, const std::string& name, std::string_view bytes, ErrorKind error,
             const std::string& text, ScanResult scan) {
  cases.push_back({name, bytes_of(bytes), error, text, scan, false});
}

void converts(Cases& cases, const std::string& name, std::string_view bytes, ScanResult scan,
              const std::string& warning) {
  cases.push_back({name, bytes_of(bytes), std::nullopt, warning, scan, false});
}

Cases all_cases() {
  Cases cases;
  add_detection_cases(cases);
  add_zip_cases(cases);
  add_pickle_cases(cases);
  add_global_cases(cases);
  add_tensor_cases(cases);
  add_legacy_cases(cases);
  add_network_cases(cases);
  add_reading_cases(cases);
  add_loader_cases(cases);
  add_safetensors_cases(cases);
  add_onnx_cases(cases);
  add_polyglot_cases(cases);
  add_budget_cases(cases);
  return cases;
}

}  // namespace aether2onnx::corpus
