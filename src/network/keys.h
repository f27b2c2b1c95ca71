/// @file
/// Numbered keys and the sizes of tensors, from which generations measure their dimensions.
/// Private to this stage.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "network/view.h"

namespace aether2onnx::network {

/// Steps of the upsampler at the most: a factor of 32.
inline constexpr std::size_t kMostUpsamplers = 5;

/// "layers.0.1.ffn.fc2.weight" behind "layers.", taken apart.
struct BlockKey {
  std::size_t group = 0;
  std::size_t block = 0;
  std::string_view suffix;  ///< "ffn.fc2.weight"
};

/// Takes a decimal number and the dot behind it off the front of `text`.
std::optional<std::size_t> take_index(std::string_view& text);

/// Nothing where `key` doesn't begin with `start` ("layers.") and two numbers.
std::optional<BlockKey> parse_block_key(std::string_view key, std::string_view start);

/// How blocks are grouped by the names of their weights in a graph, <start><group>.<block>.…; empty
/// where these aren't such names, in that order.
std::vector<std::int64_t> depths_by_names(const std::vector<std::string>& names,
                                          std::string_view start);

bool is_fused_key(std::string_view suffix);    ///< Of a block: conv.fused_conv.…
bool is_unfused_key(std::string_view suffix);  ///< Of a block: conv.lk_conv.… and the like.

/// How many there are when they are numbered 0, 1, 2, …: the highest number tells, so that one that
/// lacks is reported as missing. Where most would be missing, the number is nonsense, and the count
/// up to the first gap is taken; the rest is reported as unexpected.
template <typename Value>
std::size_t dense_count(const std::map<std::size_t, Value>& by_index) {
  if (by_index.empty()) return 0;
  const std::size_t highest = by_index.rbegin()->first;
  if (highest < 2 * by_index.size() + 2) return highest + 1;
  std::size_t count = 0;
  while (by_index.contains(count)) ++count;
  return std::max<std::size_t>(count, 1);
}

/// Reads dimensions from whichever tensors have them. What contradicts is found afterwards, when
/// all tensors are compared with the shapes that follow from the dimensions.
class Measure {
 public:
  /// Of blocks whose keys begin with `start`, "layers.". Throws Error(mismatch) where some are
  /// fused and some aren't.
  Measure(const View& view, std::string start);

  const View& view() const { return view_; }
  const std::vector<std::int64_t>& depths() const { return depths_; }
  bool fused() const { return fused_; }
  /// "layers.0.1"
  std::string block_path(std::size_t group, std::size_t block) const;

  /// The size of one axis of a tensor, where there is such a tensor of that rank with elements in
  /// it. Throws Error(limit) where it is beyond limits::kLayerWidth.
  std::optional<std::int64_t> size(const std::string& key, std::size_t rank,
                                   std::size_t axis) const;
  /// The same of the first block that has such a tensor; 0 where none has.
  std::int64_t block_size(std::string_view suffix, std::size_t rank, std::size_t axis) const;
  /// Whether any block has such a key.
  bool any_block_has(std::string_view suffix) const;
  /// The rank of the first block's tensor of that name; nothing where none has one.
  std::optional<std::size_t> block_rank(std::string_view suffix) const;

  /// What a fused checkpoint says it was fused from. The note is the file's word: it counts only
  /// where it is, to the letter, what is written for some kernel that goes with the large one.
  struct FusedFrom {
    std::int64_t small_kernel = 0;
    double norm_eps = 0;
  };
  FusedFrom noted_fused_from(std::int64_t large_kernel) const;

 private:
  const View& view_;
  std::string start_;
  std::map<std::size_t, std::map<std::size_t, int>> blocks_;  // keys of each block
  std::vector<std::int64_t> depths_;
  bool fused_ = true;
};

/// Throws Error(mismatch) where a dimension couldn't be read. `generation` is what the file looks
/// like, "AetherNet of the first generation".
void require_size(std::int64_t size, const char* what, const std::string& where,
                  std::string_view generation);
/// Throws Error(mismatch) unless both are odd and the small one (0 where it isn't known) isn't
/// larger.
void require_kernels(std::int64_t large, std::int64_t small);

}  // namespace aether2onnx::network
