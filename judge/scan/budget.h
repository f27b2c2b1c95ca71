/// @file
/// The class Budget, which limits the work of one scan. Work is counted in units, not measured in
/// seconds, so that every machine gives the same result. Private to this folder.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstdint>

#include "formats/pickle/pickle.h"

namespace aether2onnx::judge::scan {

/// What each piece of work costs, in units of Limits::scan_work, the limit for one scan. A unit was
/// about a nanosecond on the machine that measured the costs. Work that grows only with the file's
/// size is free: reading each byte once, checksums, inflating an entry to 4 times its packed size.
namespace cost {
inline constexpr std::uint64_t kPickle = 2'000;     ///< Cost to begin to parse a pickle.
inline constexpr std::uint64_t kPickleByte = 12;    ///< Cost to parse a byte of a pickle.
inline constexpr std::uint64_t kPickleValue = 160;  ///< Cost to keep and judge a value of a pickle.
inline constexpr std::uint64_t kInflatedByte = 1;   ///< Cost to inflate a byte of a zip entry.
inline constexpr std::uint64_t kName = 3'000;       ///< Cost to judge and print an imported name.
inline constexpr std::uint64_t kCall = 200;         ///< Cost to judge a call in a pickle.
inline constexpr std::uint64_t kTensor = 1'500;     ///< Cost to compare a tensor with its storage.
inline constexpr std::uint64_t kText = 9'000;       ///< Cost to print a call or a finding.
inline constexpr std::uint64_t kEntry = 6'000;      ///< Cost to read an entry of a zip archive.
inline constexpr std::uint64_t kNameByte = 30;      ///< Cost to read a byte of a zip entry's name.
inline constexpr std::uint64_t kJsonByte = 40;      ///< Cost to parse a byte of JSON.
inline constexpr std::uint64_t kSkimmedByte = 8;    ///< Cost to test if a byte belongs to a pickle.
inline constexpr std::uint64_t kField = 20;         ///< Cost to skip a protobuf field (ONNX).
inline constexpr std::uint64_t kNodePart = 200;     ///< Cost to follow an input of an ONNX node.
}  // namespace cost

/// Counts the work of a scan, and refuses work beyond the limit Limits::scan_work.
class Budget {
 public:
  explicit Budget(const Context& context) : context_(context), left_(context.limits.scan_work) {}

  /// Subtracts `work` from the scan's budget. If the budget is smaller, subtracts nothing and
  /// returns false. The caller then skips the part of the file that needs this work, and the scan's
  /// result cannot be `clean`.
  bool take(std::uint64_t work);
  /// Subtracts, from the scan's budget, the cost of inflating a zip entry. The entry has `packed`
  /// compressed bytes and `size` inflated bytes, of which the first 4 x `packed` are free. Returns
  /// false if the budget is too small.
  bool take_inflation(std::uint64_t packed, std::uint64_t size);
  /// Returns whether the scan skipped a part of the file because the budget was too small.
  bool is_spent() const { return spent_; }

  /// Parses a pickle, and subtracts the cost from the scan's budget. The number of bytes and values
  /// that are parsed is limited by the rest of the budget.
  pickle::Document parse(const Input& input, std::uint64_t offset);
  /// scan_tensors() parses the largest pickle of the scan a second time, to read the tensors.
  /// Subtracts the cost of this second time from the scan's budget. Returns false if the budget is
  /// too small.
  bool take_reader() { return take(largest_pickle_); }

 private:
  const Context& context_;
  std::uint64_t left_;
  std::uint64_t largest_pickle_ = 0;
  bool spent_ = false;
};

}  // namespace aether2onnx::judge::scan
