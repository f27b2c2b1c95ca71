/// @file
/// The largest values in each part of the network, and the parts whose values are too large for
/// float16.
#pragma once

#include <string>
#include <vector>

namespace aether2onnx::verify {

/// The largest finite float16.
inline constexpr double kLargestFloat16 = 65504;

/// A part may be computed in float16 if its measured values stay this many times below
/// kLargestFloat16. Other pictures may lead to larger values.
inline constexpr double kHeadroom = 4;

/// The largest magnitude in a part of the network: of its input, its output and all values between.
/// Infinite if a value is not finite.
struct BlockRange {
  std::string path;  ///< The path of the part: graph::block_of() of the module's path.
  double max_absolute = 0;

  double headroom() const { return kLargestFloat16 / max_absolute; }
  /// Whether the part has less headroom than kHeadroom.
  bool is_tight() const { return headroom() < kHeadroom; }
};

/// Collects the ranges of several inputs, in the order in which the parts are computed.
class Ranges {
 public:
  void add(const std::string& module_path, double max_absolute);
  const std::vector<BlockRange>& blocks() const { return blocks_; }
  /// Returns the parts with less headroom than kHeadroom, except the parts in `already`.
  std::vector<std::string> beyond_float16(const std::vector<std::string>& already) const;

 private:
  std::vector<BlockRange> blocks_;
};

}  // namespace aether2onnx::verify
