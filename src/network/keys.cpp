#include "network/keys.h"

#include <charconv>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "network/notes.h"

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

bool is_fused_key(std::string_view suffix) { return suffix.starts_with("conv.fused_conv."); }

bool is_unfused_key(std::string_view suffix) {
  return suffix.starts_with("conv.lk_conv.") || suffix.starts_with("conv.sk_conv.") ||
         suffix == "conv.lk_bias" || suffix == "conv.sk_bias";
}

Measure::Measure(const FloatStateDict& file, std::string start, std::string what)
    : file_(file), start_(std::move(start)), what_(std::move(what)) {
  std::size_t fused_keys = 0;
  std::size_t unfused_keys = 0;
  for (const Entry* entry : file.entries()) {
    const auto key = parse_block_key(entry->name, start_);
    if (!key) continue;
    ++blocks_[key->group][key->block];
    fused_keys += is_fused_key(key->suffix) ? 1U : 0U;
    unfused_keys += is_unfused_key(key->suffix) ? 1U : 0U;
  }
  if (fused_keys > 0 && unfused_keys > 0) {
    fail({ErrorKind::mismatch, "network-partly-fused"},
         "only some blocks of the {} are fused: the file has {} of fused convolutions "
         "(conv.fused_conv) and {} of unfused convolutions (conv.lk_conv, conv.sk_conv, biases).\n"
         "Give the checkpoint from before fusion, or fuse the whole checkpoint.",
         what_, plural(fused_keys, "key"), plural(unfused_keys, "key"));
  }
  fused_ = unfused_keys == 0;
}

std::optional<std::int64_t> Measure::size(const std::string& key, std::size_t rank,
                                          std::size_t axis) const {
  const Entry* entry = file_.find(key);
  if (entry == nullptr || !entry->tensor || entry->tensor->shape.size() != rank ||
      entry->tensor->elements == 0) {
    return std::nullopt;
  }
  const std::int64_t found = entry->tensor->shape[axis];
  if (found > limits::kLayerWidth) {
    fail({ErrorKind::limit, "network-tensor-size", key, with_thousands(limits::kLayerWidth),
          shape_text(entry->tensor->shape)},
         "the tensor {} has the shape {}. The largest allowed size of an axis is {}.", key,
         shape_text(entry->tensor->shape), with_thousands(limits::kLayerWidth));
  }
  return found;
}

std::int64_t Measure::block_size(std::string_view suffix, std::size_t rank,
                                 std::size_t axis) const {
  for (const auto& [group, blocks] : blocks_) {
    for (const auto& [block, count] : blocks) {
      const auto found = size(fmt::format("{}{}.{}.{}", start_, group, block, suffix), rank, axis);
      if (found && *found > 0) return *found;
    }
  }
  return 0;
}

bool Measure::any_block_has(std::string_view suffix) const {
  return file_.any_key([&](std::string_view name) {
    const auto key = parse_block_key(name, start_);
    return key && key->suffix == suffix;
  });
}

std::optional<std::size_t> Measure::block_rank(std::string_view suffix) const {
  for (const Entry* entry : file_.entries()) {
    const auto key = parse_block_key(entry->name, start_);
    if (key && key->suffix == suffix && entry->tensor) return entry->tensor->shape.size();
  }
  return std::nullopt;
}

namespace {

void require_odd(std::int64_t kernel, const char* which) {
  if (kernel % 2 != 0) return;
  fail({ErrorKind::mismatch, "network-kernel", which, "an odd size", fmt::format("{}", kernel)},
       "the file is an AetherNet with a {} kernel of {} x {}. Only an odd kernel keeps the size of "
       "the picture.\nSuch a network cannot run in PyTorch either. Check how the network was "
       "trained.",
       which, kernel, kernel);
}

void require_kernels(std::int64_t large, std::int64_t small) {
  require_odd(large, "large");
  if (small == 0) return;
  require_odd(small, "small");
  if (small > large) {
    fail({ErrorKind::mismatch, "network-kernel", "small", fmt::format("at most {}", large),
          fmt::format("{}", small)},
         "the file is an AetherNet whose small kernel ({0} x {0}) is larger than its large kernel "
         "({1} x {1}). Such a pair cannot be fused.\nCheck how the network was trained.",
         small, large);
  }
}

}  // namespace

std::string Measure::first_block(std::string_view suffix) const {
  return fmt::format("{}0.0.{}", start_, suffix);
}

Dimensions Measure::blocks(const char* gate, const char* main, std::size_t rank) const {
  Dimensions d;
  for (std::size_t group = 0; group < dense_count(blocks_); ++group) {
    const auto found = blocks_.find(group);
    d.depths.push_back(
        found == blocks_.end() ? 1 : static_cast<std::int64_t>(dense_count(found->second)));
  }
  d.fused = fused_;
  d.embed_dim = size("conv_first.weight", 4, 0).value_or(0);
  if (d.embed_dim == 0) d.embed_dim = size("conv_after_body.weight", 4, 0).value_or(0);
  d.channels = size("conv_first.weight", 4, 1).value_or(0);
  if (d.channels == 0) d.channels = size("conv_last.weight", 4, 0).value_or(0);
  d.hidden_dim = block_size(gate, rank, 0);
  if (d.hidden_dim == 0) d.hidden_dim = block_size(main, rank, 0);
  const std::string_view large = fused_ ? "conv.fused_conv.weight" : "conv.lk_conv.weight";
  d.large_kernel = block_size(large, 4, 3);
  if (fused_) {
    read_fused_from(d);
  } else {
    d.small_kernel = block_size("conv.sk_conv.weight", 4, 3);
  }
  require_size(d.embed_dim, "embed_dim", "conv_first.weight");
  require_size(d.channels, "number of channels", "conv_first.weight");
  require_size(d.hidden_dim, "hidden width", first_block(gate));
  require_size(d.large_kernel, "kernel size", first_block(large));
  if (!fused_) {
    require_size(d.small_kernel, "small kernel size", first_block("conv.sk_conv.weight"));
  }
  require_kernels(d.large_kernel, d.small_kernel);
  return d;
}

// Reads the small kernel's size and the norms' epsilon from the note `fused_from` of a fused
// checkpoint. First reads the epsilon. Then compares the note with the texts that fused_from()
// writes for this epsilon and each possible size of the small kernel (0: unknown). Ignores the note
// if no text equals the note.
void Measure::read_fused_from(Dimensions& d) const {
  const std::string* note = file_.note(kFusedFromNote);
  if (note == nullptr) return;
  NetworkInfo facts;
  facts.large_kernel = d.large_kernel;
  constexpr std::string_view eps = " eps ";
  const std::size_t at = note->find(eps);
  double norm_eps = 0;
  if (at != std::string::npos) {
    const char* begin = note->data() + at + eps.size();
    std::from_chars(begin, note->data() + note->size(), norm_eps);
  }
  facts.numbers["norm_eps"] = norm_eps;
  for (std::int64_t small = -1; small <= d.large_kernel; small += 2) {
    facts.small_kernel = std::max<std::int64_t>(small, 0);
    if (fused_from(facts) != *note) continue;
    d.small_kernel = facts.small_kernel;
    d.noted_norm_eps = norm_eps;
    return;
  }
}

void Measure::require_size(std::int64_t size, const char* dimension, const std::string& key) const {
  if (size > 0) return;
  fail(
      {ErrorKind::mismatch, "network-incomplete", key},
      "the file looks like an {}, but its {} is unknown: the tensor {} is missing or has the wrong "
      "number of dimensions.\nThe file is incomplete; download or save it again.",
      what_, dimension, key);
}

}  // namespace aether2onnx::network
