/// @file
/// The parts of the command scan: the scanners of each file format, and the class Collector.
///
/// A scan reads each format as the converter's readers do. If a reader refuses a file, the scan
/// still examines every part of the file that can be found.
#pragma once

#include <aether2onnx/aether2onnx.h>
#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/limits.h"
#include "formats/file_kind.h"
#include "formats/onnx/onnx.h"
#include "formats/pickle/pickle.h"
#include "judge/scan/budget.h"
#include "port/files.h"

namespace aether2onnx::judge::scan {

/// Returns a call in a pickle as short, printable Python code: "os.system('rm …')".
std::string call_text(const pickle::Document& document, pickle::ValueId call);

/// Collects names, calls and findings (texts about a problem) for the report. The report lists each
/// of them once and begins with the worst. The report has at most limits::kListed names, at most
/// kListed calls, and at most kListed findings of each ScanResult (clean, unclear, found).
class Collector {
 public:
  void set_container(std::string name) { report_.container = std::move(name); }
  const std::string& container() const { return report_.container; }

  /// Adds a name that a pickle imports, found at `where`. Makes `module` and `name` printable. All
  /// other texts that callers pass to this class must be printable already.
  void global(std::string_view module, std::string_view name, Verdict verdict,
              const std::string& where);
  void call(std::string text, Verdict verdict, const std::string& where);
  void finding(ScanResult weight, std::string code, std::string what);

  /// Returns whether the list of calls is full. If the list is full, callers count each suspicious
  /// call with another_call(), and need not make the call's text.
  bool is_full_of_calls() const { return report_.calls.size() >= limits::kListed; }
  /// Counts a suspicious call that is not listed because the list of calls is full.
  void another_call();

  template <typename... Args>
  void found(const char* code, fmt::format_string<Args...> format, Args&&... args) {
    finding(ScanResult::found, code, fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  void unclear(const char* code, fmt::format_string<Args...> format, Args&&... args) {
    finding(ScanResult::unclear, code, fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  void note(const char* code, fmt::format_string<Args...> format, Args&&... args) {
    finding(ScanResult::clean, code, fmt::format(format, std::forward<Args>(args)...));
  }
  /// Adds a finding with the result ScanResult::unclear if `error` is about the file's content.
  /// Rethrows any other error, so call this function only in a catch block. `where` names the
  /// pickle or zip entry with the error; "" if the error concerns the whole file.
  void unclear(const char* code, const Error& error, const std::string& where = "");

  /// Returns the report. The scan's result is the worst result of all names, calls and findings.
  ScanReport finish();

 private:
  void take(ScanResult weight);

  ScanReport report_;
  std::unordered_map<std::string, std::size_t> globals_;
  std::set<std::string> seen_;
  std::array<std::size_t, 3> findings_{};  // number of listed findings for each ScanResult
  ScanResult worst_ = ScanResult::clean;
};

/// Returns the first line of a message, without '.' or ':' at the end.
std::string first_line(std::string_view message);

/// Judges the imports and calls in pickles, and in pickles inside the texts and bytes of a pickle.
class PickleScanner {
 public:
  PickleScanner(Collector& collector, Budget& budget) : collector_(collector), budget_(budget) {}

  struct Outcome {
    std::uint64_t end = 0;  ///< Offset behind the opcode STOP, or of the first unreadable opcode.
    bool whole = false;     ///< Whether the pickle was read up to the opcode STOP.
  };
  /// Scans the pickle at byte `offset` of `input`. `where` names the pickle in findings.
  Outcome one(const Input& input, std::uint64_t offset, const std::string& where);

  /// Scans the first pickle in `input`, which should fill `input`, and all pickles that follow.
  /// Reports bytes behind the first pickle as a danger, because programs may disagree about which
  /// part is the pickle: loaders read only the first pickle, but other scanners may read the first
  /// pickle or all pickles.
  void all(const Input& input, const std::string& where);

  /// If `input`, which should be data such as weights, is a pickle with imports or calls, scans the
  /// pickle and returns true. Else returns false.
  bool unexpected(const Input& input, const std::string& where);

 private:
  void look_at(const pickle::Document& document, const std::string& where, int depth);
  void judge_call(const pickle::Document& document, pickle::ValueId call, const std::string& where);
  void judge_reference(const pickle::Document& document, pickle::ValueId reference,
                       const std::string& where);
  void look_into_text(std::string_view text, bool is_bytes, const std::string& where, int depth);
  void nested(std::string_view bytes, const std::string& where, int depth);

  Collector& collector_;
  Budget& budget_;
  std::size_t pickles_ = 0;
  std::size_t misuses_ = 0;
};

/// Returns whether Python would import or call anything to load the pickle.
bool imports_anything(const pickle::Document& document);

/// The file that a scan reads, and the objects that all functions of the scan share.
struct File {
  const Input& input;
  const io::Siblings* siblings;  ///< Opens files in the same folder; null for a file in memory.
  const Context& context;
  Collector& collector;
  Budget& budget;
  PickleScanner& pickles;
};

/// Scans a zip archive that begins at the file's first byte.
void scan_zip(const File& file);

/// If a file of another kind is also a zip archive, reports this and scans the archive's pickles.
void scan_as_zip_too(const File& file);

/// Scans an ONNX file.
void scan_onnx(const File& file);

/// Reports an ONNX file whose constants become much larger than the file while ONNX Runtime loads
/// the file (constant folding).
void judge_constants(const onnx::Model& model, const File& file);

/// Tries the readers of all formats except `kind`, the format that was scanned already. If the file
/// fits more than one format, the result is never `clean`.
void scan_other_readings(const File& file, formats::FileKind kind);

/// Reports contradictions between tensors and their storages, and unused storages. Returns the
/// offset behind the last byte that a loader of the checkpoint reads, or nullopt if the offset is
/// unknown.
std::optional<std::uint64_t> scan_tensors(const File& file);

}  // namespace aether2onnx::judge::scan
