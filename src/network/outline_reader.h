/// @file
/// Reads the steps of a graph's outline one after the other. Private to this stage.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "network/network.h"

namespace aether2onnx::network {

class OutlineReader {
 public:
  explicit OutlineReader(const Outline& outline) : steps_(outline.steps) {}

  std::size_t blocks() const { return names_.size(); }
  /// Of each block, the name of the (larger) depthwise kernel.
  const std::vector<std::string>& names() const { return names_; }

 protected:
  bool within_limits() const;
  std::size_t left() const { return steps_.size(); }
  bool at_end() const { return steps_.empty(); }
  const OutlineStep& step(std::size_t at) const { return steps_[at]; }
  void advance(std::size_t count) { steps_ = steps_.subspan(count); }

  bool is_conv(std::size_t at, const std::vector<std::int64_t>& shape, std::int64_t groups) const;
  /// A projection, which may have become a convolution of 1 x 1.
  bool is_projection(std::size_t at, std::int64_t out, std::int64_t in) const;
  bool is_depthwise(std::size_t at, std::int64_t channels) const;
  /// Three projections: to some hidden width twice, and back.
  bool is_ffn(std::size_t at, std::int64_t channels) const;

  /// How many depthwise convolutions begin a block that goes on with three projections: one, or
  /// two, the larger one in whichever place; 0 where there is no block. A small kernel of 0 is that
  /// of a fused block.
  std::size_t depthwise(std::int64_t channels, std::int64_t& large_kernel,
                        std::int64_t& small_kernel) const;
  /// Goes on behind a block of `steps` that begins with so many depthwise convolutions.
  void take_block(std::size_t convolutions, std::size_t steps);

  /// The first convolution, to any width.
  bool take_first(std::int64_t& embed_dim, std::int64_t& channels);
  /// The last one, to the image.
  bool take_last(std::int64_t channels, std::int64_t width);

 private:
  std::span<const OutlineStep> steps_;
  std::vector<std::string> names_;
};

}  // namespace aether2onnx::network
