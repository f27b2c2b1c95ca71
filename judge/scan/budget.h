/// @file
/// Limits the work of one scan. The work is counted, not timed, so every machine gives the same
/// result. Private to this folder.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstdint>

#include "formats/pickle/pickle.h"

namespace aether2onnx::judge::scan {

/// The costs of work, in units of Limits::scan_work. A unit is about a nanosecond on the machine on
/// which the costs were measured. Work that grows only with the file's size costs nothing: reading
/// each byte once, its checksum, inflating to a few times the file's size.
namespace cost {
inline constexpr std::uint64_t kPickle = 2'000;     ///< To begin a pickle.
inline constexpr std::uint64_t kPickleByte = 12;    ///< To parse a byte of a pickle.
inline constexpr std::uint64_t kPickleValue = 160;  ///< To keep and judge a value.
inline constexpr std::uint64_t kInflatedByte = 1;   ///< To inflate a byte.
inline constexpr std::uint64_t kName = 3'000;       ///< To judge and print an imported name.
inline constexpr std::uint64_t kCall = 200;         ///< To judge a call.
inline constexpr std::uint64_t kTensor = 1'500;     ///< To check a tensor against its storage.
inline constexpr std::uint64_t kText = 9'000;       ///< To print a call or a finding.
inline constexpr std::uint64_t kEntry = 6'000;      ///< To read an entry of an archive.
inline constexpr std::uint64_t kNameByte = 30;      ///< To read a byte of the entry's name.
inline constexpr std::uint64_t kJsonByte = 40;      ///< To parse a byte of JSON.
inline constexpr std::uint64_t kSkimmedByte = 8;  ///< To skim a byte that may be part of a pickle.
inline constexpr std::uint64_t kField = 20;       ///< To skip a field of an ONNX file.
}  // namespace cost

/// Counts the work of a scan.
class Budget {
 public:
  explicit Budget(const Context& context) : context_(context), left_(context.limits.scan_work) {}

  /// Subtracts `work` from the budget. If less is left, subtracts nothing and returns false. Then
  /// the scan skips this part, and is_spent() makes the result unclear.
  bool take(std::uint64_t work);
  /// Subtracts the cost of inflating an entry. Inflating up to four times the packed size is free.
  bool take_inflation(std::uint64_t packed, std::uint64_t size);
  /// Returns whether the scan skipped a part for lack of budget.
  bool is_spent() const { return spent_; }

  /// Calls Document::parse_as_far_as_possible() with limits that the rest of the budget can pay
  /// for.
  pickle::Document parse(const Input& input, std::uint64_t offset);
  /// Subtracts the cost of reading the checkpoint: its reader parses the largest pickle once more.
  bool take_reader() { return take(largest_pickle_); }

 private:
  const Context& context_;
  std::uint64_t left_;
  std::uint64_t largest_pickle_ = 0;
  bool spent_ = false;
};

}  // namespace aether2onnx::judge::scan
