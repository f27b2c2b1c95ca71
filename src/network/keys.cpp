#include "network/keys.h"

#include <charconv>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"

namespace aether2onnx::network {

using state_dict::Entry;

std::optional<std::size_t> take_index(std::string_view& text) {
  std::size_t index = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), index);
  if (result.ec != std::errc{} || result.ptr == text.data() + text.size() || *result.ptr != '.') {
    return std::nullopt;
  }
  text.remove_prefix(static_cast<std::size_t>(result.ptr - text.data()) + 1);
  return index;
}

std::optional<BlockKey> parse_block_key(std::string_view key, std::string_view start) {
  if (!key.starts_with(start)) return std::nullopt;
  key.remove_prefix(start.size());
  const auto group = take_index(key);
  const auto block = group ? take_index(key) : std::nullopt;
  if (!block) return std::nullopt;
  return BlockKey{*group, *block, key};
}

std::vector<std::int64_t> depths_by_names(const std::vector<std::string>& names,
                                          std::string_view start) {
  std::vector<std::int64_t> depths;
  for (const std::string& name : names) {
    const std::size_t begin = name.find(start);
    if (begin == std::string::npos) return {};
    const auto key = parse_block_key(std::string_view(name).substr(begin), start);
    if (!key) return {};
    if (key->block == 0) depths.push_back(0);
    if (depths.empty() || key->group != depths.size() - 1 ||
        key->block != static_cast<std::size_t>(depths.back())) {
      return {};
    }
    ++depths.back();
  }
  return depths;
}

bool is_fused_key(std::string_view suffix) { return suffix.starts_with("conv.fused_conv."); }

bool is_unfused_key(std::string_view suffix) {
  return suffix.starts_with("conv.lk_conv.") || suffix.starts_with("conv.sk_conv.") ||
         suffix == "conv.lk_bias" || suffix == "conv.sk_bias";
}

Measure::Measure(const View& view, std::string start) : view_(view), start_(std::move(start)) {
  std::size_t fused_keys = 0;
  std::size_t unfused_keys = 0;
  for (const Entry* entry : view.entries()) {
    const auto key = parse_block_key(entry->name, start_);
    if (!key) continue;
    ++blocks_[key->group][key->block];
    fused_keys += is_fused_key(key->suffix) ? 1U : 0U;
    unfused_keys += is_unfused_key(key->suffix) ? 1U : 0U;
  }
  if (fused_keys > 0 && unfused_keys > 0) {
    fail(ErrorKind::mismatch,
         "the file is an AetherNet that is fused in part: {} of a fused convolution "
         "(conv.fused_conv) and {} of unfused ones (conv.lk_conv, conv.sk_conv, biases).\n"
         "Give the checkpoint from before fusion, or fuse it as a whole.",
         plural(fused_keys, "key"), plural(unfused_keys, "key"));
  }
  fused_ = unfused_keys == 0;
  const std::size_t groups = dense_count(blocks_);
  for (std::size_t group = 0; group < groups; ++group) {
    const auto found = blocks_.find(group);
    depths_.push_back(
        found == blocks_.end() ? 1 : static_cast<std::int64_t>(dense_count(found->second)));
  }
}

std::string Measure::block_path(std::size_t group, std::size_t block) const {
  return fmt::format("{}{}.{}", start_, group, block);
}

std::optional<std::int64_t> Measure::size(const std::string& key, std::size_t rank,
                                          std::size_t axis) const {
  const Entry* entry = view_.find(key);
  if (entry == nullptr || !entry->tensor || entry->tensor->shape.size() != rank ||
      entry->tensor->elements == 0) {
    return std::nullopt;
  }
  const std::int64_t found = entry->tensor->shape[axis];
  if (found > limits::kLayerWidth) {
    fail(ErrorKind::limit, "the tensor {} is {}; at most {} are read along one axis.", key,
         shape_text(entry->tensor->shape), with_thousands(limits::kLayerWidth));
  }
  return found;
}

std::int64_t Measure::block_size(std::string_view suffix, std::size_t rank,
                                 std::size_t axis) const {
  for (const auto& [group, blocks] : blocks_) {
    for (const auto& [block, count] : blocks) {
      const auto found = size(fmt::format("{}.{}", block_path(group, block), suffix), rank, axis);
      if (found && *found > 0) return *found;
    }
  }
  return 0;
}

bool Measure::any_block_has(std::string_view suffix) const {
  for (const Entry* entry : view_.entries()) {
    const auto key = parse_block_key(entry->name, start_);
    if (key && key->suffix == suffix) return true;
  }
  return false;
}

std::optional<std::size_t> Measure::block_rank(std::string_view suffix) const {
  for (const Entry* entry : view_.entries()) {
    const auto key = parse_block_key(entry->name, start_);
    if (key && key->suffix == suffix && entry->tensor) return entry->tensor->shape.size();
  }
  return std::nullopt;
}

Measure::FusedFrom Measure::noted_fused_from(std::int64_t large_kernel) const {
  const std::string* note = view_.note("fused_from");
  if (note == nullptr) return {};
  NetworkInfo facts;
  facts.large_kernel = large_kernel;
  double norm_eps = 0;
  // NaN and what is no number are written otherwise than they are read.
  constexpr std::string_view eps = " eps ";
  const std::size_t at = note->find(eps);
  if (at != std::string::npos) {
    const char* begin = note->data() + at + eps.size();
    std::from_chars(begin, note->data() + note->size(), norm_eps);
  }
  for (std::int64_t small = -1; small <= large_kernel; small += 2) {
    facts.numbers["norm_eps"] = norm_eps;
    facts.small_kernel = std::max<std::int64_t>(small, 0);
    if (fused_from(facts) == *note) return {facts.small_kernel, norm_eps};
  }
  return {};
}

void require_size(std::int64_t size, const char* what, const std::string& where,
                  std::string_view generation) {
  if (size > 0) return;
  fail(ErrorKind::mismatch,
       "the file looks like an {}, but its {} can't be told: {} is missing or has the wrong number "
       "of dimensions.\nThe file is incomplete; download or save it again.",
       generation, what, where);
}

namespace {

void require_odd(std::int64_t kernel, const char* what) {
  if (kernel % 2 != 0) return;
  fail(ErrorKind::mismatch,
       "the file is an AetherNet with a {} kernel of {} x {}: only odd sizes keep the picture's "
       "size.\nSuch a network can't run in PyTorch either; check how it was trained.",
       what, kernel, kernel);
}

}  // namespace

void require_kernels(std::int64_t large, std::int64_t small) {
  require_odd(large, "large");
  if (small == 0) return;
  require_odd(small, "small");
  if (small > large) {
    fail(ErrorKind::mismatch,
         "the file is an AetherNet whose small kernel ({0} x {0}) is larger than its large one "
         "({1} x {1}), so the two can't be fused.\nCheck how it was trained.",
         small, large);
  }
}

}  // namespace aether2onnx::network
