/// @file
/// The hostile corpus: files that are damaged, forged or strange, each with what should become of
/// it. Made anew each time, always the same.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace aether2onnx::corpus {

struct Case {
  std::string name;  ///< Of the file, without folder and suffix.
  std::vector<std::byte> bytes;
  /// The error that conversion ends with; nothing where the file converts.
  std::optional<ErrorKind> error;
  /// A piece of its message; of a file that converts, of a warning ("" for none asked for).
  std::string text;
  ScanResult scan = ScanResult::clean;
  /// Any refusal will do that isn't an internal error, or a conversion: of files that are one of
  /// hundreds made by a rule.
  bool anything = false;
};

using Cases = std::vector<Case>;

// One source file each; section D of what is known of attacks.
void add_detection_cases(Cases& cases);
void add_zip_cases(Cases& cases);
void add_pickle_cases(Cases& cases);
void add_global_cases(Cases& cases);
void add_tensor_cases(Cases& cases);
void add_legacy_cases(Cases& cases);
void add_network_cases(Cases& cases);
void add_safetensors_cases(Cases& cases);

Cases all_cases();

// --- what cases are made of ---

std::vector<std::byte> bytes_of(std::string_view text);

/// Adds a case; the order of the arguments is that of a table.
void refused(Cases& cases, const std::string& name, std::string_view bytes, ErrorKind error,
             const std::string& text, ScanResult scan);
void converts(Cases& cases, const std::string& name, std::string_view bytes, ScanResult scan,
              const std::string& warning = "");

}  // namespace aether2onnx::corpus
