/// @file
/// Collects the largest value in each part of the network. A part is a block, or a layer outside of
/// the blocks. Finds the parts whose values are too large for float16. These parts need float32.
#pragma once

#include <string>
#include <vector>

namespace aether2onnx::verify {

/// The largest finite float16.
inline constexpr double kLargestFloat16 = 65504;

/// A block or layer of the network may be computed in float16 if its largest measured value is at
/// most kLargestFloat16 divided by this factor. A factor is needed because other pictures may lead
/// to larger values.
inline constexpr double kHeadroom = 4;

/// The largest magnitude in a block or layer of the network: of its input, its output and all
/// values between. Infinite if a value is infinite or NaN.
struct BlockRange {
  std::string path;  ///< The path of the block or layer, from graph::block_of().
  double max_absolute = 0;

  double headroom() const { return kLargestFloat16 / max_absolute; }
  /// Returns whether the values of the block or layer are too large for float16.
  bool is_tight() const { return headroom() < kHeadroom; }
};

/// Collects the largest value of each block or layer of the network while a reference computes the
/// outputs for several inputs. The list of blocks() has the order of the forward pass.
class Ranges {
 public:
  void add(const std::string& module_path, double max_absolute);
  const std::vector<BlockRange>& blocks() const { return blocks_; }
  /// Returns the paths of the blocks and layers whose values are too large for float16. Leaves out
  /// the paths in `already`, because the ONNX model already computes these blocks and layers in
  /// float32.
  std::vector<std::string> beyond_float16(const std::vector<std::string>& already) const;

 private:
  std::vector<BlockRange> blocks_;
};

}  // namespace aether2onnx::verify
