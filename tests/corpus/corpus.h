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
  /// A fact that the message states, a name for example; of a file that converts, a piece of a
  /// warning. Empty: not compared.
  std::string text;
  ScanResult scan = ScanResult::clean;
  /// Any refusal will do that isn't an internal error, or a conversion: of files that are one of
  /// hundreds made by a rule.
  bool anything = false;
  /// The code of the error, "zip-crc". Empty: not compared.
  std::string code = {};
  /// Which reader reads the file otherwise, or why the file is harmless. Empty: the name says so.
  std::string reason = {};
};

/// The error that a conversion ends with.
struct Refusal {
  ErrorKind kind = ErrorKind::malformed;
  std::string code;
  std::string text = {};  ///< As in Case: only for a fact that the code doesn't tell.
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
void add_reading_cases(Cases& cases);
void add_loader_cases(Cases& cases);
void add_safetensors_cases(Cases& cases);
void add_onnx_cases(Cases& cases);
void add_polyglot_cases(Cases& cases);
void add_budget_cases(Cases& cases);

Cases all_cases();

// --- what cases are made of ---

std::vector<std::byte> bytes_of(std::string_view text);

/// Adds a file that is refused with that error.
void refused(Cases& cases, const std::string& name, std::string_view bytes, const Refusal& refusal,
             ScanResult scan);
/// The same without a code. To be replaced by the one above.
void refused(Cases& cases, const std::string& name, std::string_view bytes, ErrorKind error,
             const std::string& text, ScanResult scan);
/// Adds a file that converts.
void converts(Cases& cases, const std::string& name, std::string_view bytes, ScanResult scan,
              const std::string& warning = "");

}  // namespace aether2onnx::corpus
