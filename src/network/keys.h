/// @file
/// Parses numbered keys ("layers.0.1.ffn.fc2.weight"), and reads a network's dimensions from the
/// shapes of tensors. Private to this folder.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "network/generation.h"

namespace aether2onnx::network {

/// The largest number of convolutions in an upsampler. Five convolutions, each with the factor 2,
/// enlarge the image by a factor of 32.
inline constexpr std::size_t kMostUpsamplers = 5;

/// The group, block and suffix in a block's key. The key "layers.0.1.ffn.fc2.weight" has the group
/// 0, the block 1 and the suffix "ffn.fc2.weight".
struct BlockKey {
  std::size_t group = 0;
  std::size_t block = 0;
  std::string_view suffix;  ///< For example "ffn.fc2.weight".
};

/// Removes a number and a dot ("12.") from the start of `text`, and returns the number. Returns
/// nullopt if `text` does not start with a number and a dot.
std::optional<std::size_t> take_index(std::string_view& text);

/// Parses a key of the form <start><group>.<block>.<suffix>. Returns nullopt for any other key.
std::optional<BlockKey> parse_block_key(std::string_view key, std::string_view start);

bool is_fused_key(std::string_view suffix);    ///< True for conv.fused_conv.weight, …
bool is_unfused_key(std::string_view suffix);  ///< True for conv.lk_conv.weight, …

/// Returns the number of groups (or blocks), whose indices begin at 0. The usual result is the
/// highest index plus 1, so that a missing group is reported as missing. If most groups would be
/// missing, dense_count() assumes that the highest index is wrong. The result is then the number of
/// groups before the first gap (at least 1), and keys of groups after the gap are reported as
/// unexpected.
template <typename Value>
std::size_t dense_count(const std::map<std::size_t, Value>& by_index) {
  if (by_index.empty()) return 0;
  const std::size_t highest = by_index.rbegin()->first;
  if (highest < 2 * by_index.size() + 2) return highest + 1;
  std::size_t count = 0;
  while (by_index.contains(count)) ++count;
  return std::max<std::size_t>(count, 1);
}

/// Reads each dimension of a network from the first tensor that shows it. Other tensors may differ:
/// check_strictly() later compares each tensor with the shape that follows from the dimensions.
class Measure {
 public:
  /// Throws Error(mismatch) if only some of the blocks are fused. `start` begins the keys of blocks
  /// ("layers."). `what` is the network's name in error messages.
  Measure(const FloatStateDict& file, std::string start, std::string what);

  /// Returns the dimensions of the blocks and of the network's first convolution. `gate` and `main`
  /// name two weights in each block. Both weights have `rank` axes. The size of the first axis is
  /// hidden_dim, the inner width of a block. Throws Error(mismatch) if a dimension is unknown.
  Dimensions blocks(const char* gate, const char* main, std::size_t rank) const;

  /// Returns the size of one axis of the tensor `key`. Returns nullopt if no tensor has this key
  /// and rank. Throws Error(limit) if the size is above limits::kLayerWidth.
  std::optional<std::int64_t> size(const std::string& key, std::size_t rank,
                                   std::size_t axis) const;
  /// Returns the size of one axis of the tensor `suffix` (for example "norm.weight") in a block.
  /// Uses the first block that has this tensor with this rank. Returns 0 if no block has the
  /// tensor.
  std::int64_t block_size(std::string_view suffix, std::size_t rank, std::size_t axis) const;
  /// Returns the rank of the tensor `suffix` in the first block that has this tensor; nullopt if no
  /// block has the tensor.
  std::optional<std::size_t> block_rank(std::string_view suffix) const;

  bool any_block_has(std::string_view suffix) const;

  /// Throws Error(mismatch) if `size` is 0. The caller passes 0 if the tensor `key` is missing or
  /// has another rank. `dimension` is the name of the size in the error message.
  void require_size(std::int64_t size, const char* dimension, const std::string& key) const;

 private:
  std::string first_block(std::string_view suffix) const;
  void read_fused_from(Dimensions& dimensions) const;

  const FloatStateDict& file_;
  std::string start_;
  std::string what_;
  std::map<std::size_t, std::map<std::size_t, int>> blocks_;  // by group and block: number of keys
  bool fused_ = true;
};

}  // namespace aether2onnx::network
