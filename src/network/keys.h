/// @file
/// Numbered keys, and the dimensions that follow from the shapes of tensors. Private to this
/// folder.
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

/// The upsampler has at most so many convolutions: a factor of 32.
inline constexpr std::size_t kMostUpsamplers = 5;

/// The parts of the key "layers.0.1.ffn.fc2.weight" after its start "layers.".
struct BlockKey {
  std::size_t group = 0;
  std::size_t block = 0;
  std::string_view suffix;  ///< "ffn.fc2.weight"
};

/// Takes a decimal number and the dot after it off the front of `text`.
std::optional<std::size_t> take_index(std::string_view& text);

/// Returns nullopt unless `key` begins with `start` ("layers.") and two numbers.
std::optional<BlockKey> parse_block_key(std::string_view key, std::string_view start);

bool is_fused_key(std::string_view suffix);    ///< Of a block: conv.fused_conv.…
bool is_unfused_key(std::string_view suffix);  ///< Of a block: conv.lk_conv.… and the like.

/// The number of parts that are numbered 0, 1, 2, …. The highest number counts, so that a missing
/// part is reported as missing. If most parts would be missing, the highest number is nonsense: the
/// parts before the first gap count, and the others are reported as unexpected.
template <typename Value>
std::size_t dense_count(const std::map<std::size_t, Value>& by_index) {
  if (by_index.empty()) return 0;
  const std::size_t highest = by_index.rbegin()->first;
  if (highest < 2 * by_index.size() + 2) return highest + 1;
  std::size_t count = 0;
  while (by_index.contains(count)) ++count;
  return std::max<std::size_t>(count, 1);
}

/// Reads sizes from the first tensor that has them. The check of all keys finds contradictions
/// later, when it compares each tensor with the shape that follows from the dimensions.
class Measure {
 public:
  /// The keys of blocks begin with `start`, "layers.". Throws Error(mismatch) if only some of the
  /// blocks are fused. `what` names the network in errors.
  Measure(const FloatStateDict& file, std::string start, std::string what);

  /// The dimensions of the blocks and of conv_first. `gate` and `main` are the keys of the first
  /// projections in a block, with this rank. Throws Error(mismatch) if a dimension is unknown.
  Dimensions blocks(const char* gate, const char* main, std::size_t rank) const;

  /// The size of one axis of a tensor with this rank. Throws Error(limit) if the size is above
  /// limits::kLayerWidth.
  std::optional<std::int64_t> size(const std::string& key, std::size_t rank,
                                   std::size_t axis) const;
  /// The same of the first block with such a tensor; 0 if there is none.
  std::int64_t block_size(std::string_view suffix, std::size_t rank, std::size_t axis) const;
  /// The rank of the first block's tensor with this name. Returns nullopt if no block has one.
  std::optional<std::size_t> block_rank(std::string_view suffix) const;

  bool any_block_has(std::string_view suffix) const;

  /// Throws Error(mismatch) if `size` is 0: the tensor `key` is missing or has another rank.
  void require_size(std::int64_t size, const char* dimension, const std::string& key) const;

 private:
  std::string first_block(std::string_view suffix) const;
  void read_fused_from(Dimensions& dimensions) const;

  const FloatStateDict& file_;
  std::string start_;
  std::string what_;
  std::map<std::size_t, std::map<std::size_t, int>> blocks_;  // number of keys of each block
  bool fused_ = true;
};

}  // namespace aether2onnx::network
