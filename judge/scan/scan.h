/// @file
/// The parts of a scan: pickles, containers, and the report in progress.
///
/// A scan reads every container as the readers do. If a reader refuses a file, the scan still looks
/// at every part of the file that can be found.
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

/// A call as Python would write it, "os.system('rm …')": printable and cut short.
std::string call_text(const pickle::Document& document, pickle::ValueId call);

/// Collects what a scan finds: everything once, the worst first, up to a limit of each kind.
class Collector {
 public:
  void set_container(std::string name) { report_.container = std::move(name); }
  const std::string& container() const { return report_.container; }

  /// Makes the names printable. All other texts must be printable already.
  void global(std::string_view module, std::string_view name, Verdict verdict,
              const std::string& where);
  void call(std::string text, Verdict verdict, const std::string& where);
  void finding(ScanResult weight, std::string code, std::string what);

  /// Whether the list of calls has no place left. A further call needs no text.
  bool is_full_of_calls() const { return report_.calls.size() >= limits::kListed; }
  /// Counts a call without a place in the list.
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
  /// An error about the content of the file, as an unclear finding; `where` may be empty. Call in
  /// the error's handler: an error that is not about the content is thrown on.
  void unclear(const char* code, const Error& error, const std::string& where = "");

  /// The report, with the worst of everything as its result.
  ScanReport finish();

 private:
  void take(ScanResult weight);

  ScanReport report_;
  std::unordered_map<std::string, std::size_t> globals_;
  std::set<std::string> seen_;
  std::array<std::size_t, 3> findings_{};  // listed, by weight
  ScanResult worst_ = ScanResult::clean;
};

/// The first line of a message, without the full stop.
std::string first_line(std::string_view message);

/// Judges the names and calls of pickles, and of pickles in the texts of pickles.
class PickleScanner {
 public:
  PickleScanner(Collector& collector, Budget& budget) : collector_(collector), budget_(budget) {}

  struct Outcome {
    std::uint64_t end = 0;  ///< Behind STOP, or where the pickle cannot be read further.
    bool whole = false;     ///< The pickle was read to its STOP.
  };
  /// The pickle at byte `offset` of `input`; `where` names the pickle in findings.
  Outcome one(const Input& input, std::uint64_t offset, const std::string& where);

  /// The pickle that should fill `input`. Also scans what follows the pickle: loaders read one
  /// pickle, scanners read one or all.
  void all(const Input& input, const std::string& where);

  /// Bytes that should be no pickle. Returns whether they are a pickle that imports names.
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

/// Whether loading the pickle imports or calls anything.
bool imports_anything(const pickle::Document& document);

/// One file under scan.
struct File {
  const Input& input;
  const io::Siblings* siblings;  ///< Null for a file in memory.
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

/// Asks every other reader what the reader makes of a file of the kind `kind`. A file that is more
/// than one thing is never clean.
void scan_other_readings(const File& file, formats::FileKind kind);

/// Reports what state_dict::audit() finds. Returns the end of the last byte that a loader reads, or
/// nullopt if the end is unknown.
std::optional<std::uint64_t> scan_tensors(const File& file);

}  // namespace aether2onnx::judge::scan
