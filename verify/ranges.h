/// @file
/// How large the values in the network's parts become, and which parts half precision is too small
/// or too coarse for.
#pragma once

#include <string>
#include <vector>

namespace aether2onnx::verify {

/// The largest finite float16.
inline constexpr double kLargestFloat16 = 65504;

/// A part of the network must stay this many times below kLargestFloat16 on what was measured to
/// be computed in float16: other pictures may reach further.
inline constexpr double kHeadroom = 4;

/// The largest magnitude in a part of the network: of what goes in, of everything computed in it
/// and of what comes out. Infinite where a value isn't finite.
struct BlockRange {
  std::string path;  ///< graph::block_of() the module's path.
  double max_absolute = 0;

  double headroom() const { return kLargestFloat16 / max_absolute; }
  /// Whether it has less than kHeadroom.
  bool is_tight() const { return headroom() < kHeadroom; }
};

/// Joins the ranges of several inputs, in the order in which the parts are computed.
class Ranges {
 public:
  void add(const std::string& module_path, double max_absolute);
  const std::vector<BlockRange>& blocks() const { return blocks_; }
  /// Parts with less than kHeadroom, those in `already` left out.
  std::vector<std::string> beyond_float16(const std::vector<std::string>& already) const;

 private:
  std::vector<BlockRange> blocks_;
};

}  // namespace aether2onnx::verify
