/// @file
/// The parts of the command scan: scanners of pickles and containers, and the class Collector.
///
/// A scan reads every container as aether2onnx's readers do. If a reader refuses a file, the scan
/// still looks at every part of the file that can be found.
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
#include "formats/pickle/pickle.h"
#include "judge/scan/budget.h"
#include "port/files.h"

namespace aether2onnx::judge::scan {

/// Returns a call as Python code, "os.system('rm …')": printable and shortened.
std::string call_text(const pickle::Document& document, pickle::ValueId call);

/// Collects the findings of a scan: each once, the worst first, and at most kListed of each kind.
class Collector {
 public:
  void set_container(std::string name) { report_.container = std::move(name); }
  const std::string& container() const { return report_.container; }

  /// Adds an imported name, and makes `module` and `name` printable. All other texts in this class
  /// must be printable already.
  void global(std::string_view module, std::string_view name, Verdict verdict,
              const std::string& where);
  void call(std::string text, Verdict verdict, const std::string& where);
  void finding(ScanResult weight, std::string code, std::string what);

  /// Returns whether the list of calls is full. Then another_call() counts a further call.
  bool is_full_of_calls() const { return report_.calls.size() >= limits::kListed; }
  /// Counts a suspicious call that is not listed, since the list is full.
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
  /// Adds an error about the file's content as an unclear finding; `where` may be empty. Works only
  /// in a catch block: rethrows an error that is not about the file's content.
  void unclear(const char* code, const Error& error, const std::string& where = "");

  /// Returns the report. Its result is the worst weight of all names, calls and findings.
  ScanReport finish();

 private:
  void take(ScanResult weight);

  ScanReport report_;
  std::unordered_map<std::string, std::size_t> globals_;
  std::set<std::string> seen_;
  std::array<std::size_t, 3> findings_{};  // number of listed findings, by weight
  ScanResult worst_ = ScanResult::clean;
};

/// Returns the first line of a message, without the full stop.
std::string first_line(std::string_view message);

/// Judges the names and the calls in pickles, also in pickles that are a text or bytes in a pickle.
class PickleScanner {
 public:
  PickleScanner(Collector& collector, Budget& budget) : collector_(collector), budget_(budget) {}

  struct Outcome {
    std::uint64_t end = 0;  ///< The offset behind STOP, or of the first unreadable opcode.
    bool whole = false;     ///< Whether the pickle was read up to its STOP.
  };
  /// Scans the pickle at byte `offset` of `input`. `where` names the pickle in findings.
  Outcome one(const Input& input, std::uint64_t offset, const std::string& where);

  /// Scans the pickle that should fill `input`. Also scans pickles that follow, because loaders
  /// read one pickle, and other scanners read one or all.
  void all(const Input& input, const std::string& where);

  /// Scans `input`, which should be no pickle. Returns whether `input` is a pickle with imports.
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

/// Returns whether loading the pickle imports or calls anything.
bool imports_anything(const pickle::Document& document);

/// A file that is being scanned, and the objects that its scan uses.
struct File {
  const Input& input;
  const io::Siblings* siblings;  ///< Opens files beside the file; null for a file in memory.
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

/// Tries all readers for other kinds on a file of the kind `kind`. If a file has more than one
/// kind, the result is never clean.
void scan_other_readings(const File& file, formats::FileKind kind);

/// Reports what state_dict::audit() finds. Returns the offset behind the last byte that a loader
/// reads, or nullopt if the offset is unknown.
std::optional<std::uint64_t> scan_tensors(const File& file);

}  // namespace aether2onnx::judge::scan
