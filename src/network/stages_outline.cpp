// The generations with keys stages.<i>.<j>.…, in a graph: the order of its weighted steps and their
// shapes.

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "network/outline_reader.h"
#include "network/stages.h"

namespace aether2onnx::network {

namespace {

using Kind = OutlineStep::Kind;
using Shape = std::vector<std::int64_t>;

class StageReader : public OutlineReader {
 public:
  StageReader(const Outline& outline, const StageRules& rules)
      : OutlineReader(outline), rules_(rules) {}

  bool read(StageDimensions& d) {
    if (!within_limits() || !take_first(d.embed_dim, d.channels)) return false;
    while (block(d) || projection(d)) {
    }
    return blocks() > 0 && fusion(d) && head(d) && upsampler(d) && at_end();
  }

  // Blocks of each stage, where a projection stands behind each; else of all of them.
  const std::vector<std::int64_t>& grouped() const { return grouped_; }

 private:
  bool block(StageDimensions& d) {
    std::int64_t small_kernel = 0;
    std::int64_t large_kernel = 0;
    const std::size_t convolutions = depthwise(d.embed_dim, large_kernel, small_kernel);
    const bool fused = convolutions == 1;
    std::size_t at = convolutions;
    if (convolutions == 0 || !is_ffn(at, d.embed_dim)) return false;
    const std::int64_t hidden_dim = step(at).shape[0];
    at += 3;
    std::int64_t attention_width = 0;
    if (left() > at + 1 && !step(at).shape.empty()) {
      const std::int64_t width = step(at).shape[0];
      // Narrower than the block, unlike the projections behind the stages.
      if (width < d.embed_dim && is_projection(at, width, d.embed_dim) &&
          is_projection(at + 1, d.embed_dim, width)) {
        attention_width = width;
        at += 2;
      }
    }
    std::int64_t attention_kernel = 0;
    if (left() > at && step(at).shape.size() == 4) {
      const std::int64_t kernel = step(at).shape[3];
      if (is_conv(at, {1, 2, kernel, kernel}, 1)) {
        attention_kernel = kernel;
        ++at;
      }
    }
    const Shape found = {fused ? 1 : 0, large_kernel,    small_kernel,
                         hidden_dim,    attention_width, attention_kernel};
    if (blocks() == 0) {
      first_block_ = found;
      d.fused = fused;
      d.large_kernel = large_kernel;
      d.small_kernel = small_kernel;
      d.hidden_dim = hidden_dim;
      d.attention_width = attention_width;
      d.attention_kernel = attention_kernel;
    }
    if (found != first_block_) return false;
    take_block(convolutions, at);
    ++since_projection_;
    return true;
  }

  // A projection of a stage's output, or the fusion.
  bool projection(const StageDimensions& d) {
    if (left() == 0 || step(0).shape.empty() || blocks() == 0) return false;
    const std::int64_t out = step(0).shape[0];
    const bool of_stage = is_projection(0, out, d.embed_dim);
    const bool of_all =
        step(0).shape.size() >= 2 && is_projection(0, d.embed_dim, step(0).shape[1]);
    if (!of_stage && !of_all) return false;
    projections_.emplace_back(out, step(0).shape[1]);
    grouped_.push_back(since_projection_);
    since_projection_ = 0;
    advance(1);
    return true;
  }

  // The last projection is the fusion's; those before it are one a stage, or none at all.
  bool fusion(StageDimensions& d) {
    if (projections_.empty()) return false;
    const auto [out, in] = projections_.back();
    projections_.pop_back();
    grouped_.pop_back();
    if (out != d.embed_dim || since_projection_ != 0) return false;
    if (rules_.raw_fusion) {
      grouped_.clear();
      d.depths.assign(static_cast<std::size_t>(in / d.embed_dim), 0);
      return projections_.empty() && in % d.embed_dim == 0;
    }
    std::int64_t sum = 0;
    for (const auto& [channels, taken] : projections_) sum += channels;
    d.depths.assign(projections_.size(), 0);
    return in == d.embed_dim && sum == in;
  }

  bool head(const StageDimensions& d) {
    const std::int64_t width = d.embed_dim / rules_.head_divisor;
    if (left() < 3 || !is_conv(0, {d.embed_dim, d.embed_dim, 3, 3}, 1) ||
        !is_conv(1, {width, d.embed_dim, 3, 3}, 1)) {
      return false;
    }
    const bool leaky = step(2).kind == Kind::leaky_relu;
    if (leaky != rules_.leaky_head) return false;
    advance(leaky ? 3 : 2);
    return true;
  }

  bool upsampler(StageDimensions& d) {
    std::int64_t in = d.embed_dim / rules_.head_divisor;
    while (left() >= 2 && d.upsampler.size() < kMostUpsamplers && step(0).shape.size() == 4) {
      UpsampleConv conv;
      conv.in = in;
      conv.out = step(0).shape[0];
      if (!is_conv(0, {conv.out, conv.in, 3, 3}, 1)) return false;
      const bool shuffled = step(1).kind == Kind::pixel_shuffle;
      if (shuffled) conv.factor = step(1).factor;
      // The file's word, of any size.
      if (conv.factor < 1 || conv.factor > 3) return false;
      const std::int64_t square = conv.factor * conv.factor;
      if (conv.out % square != 0) return false;
      in = conv.out / square;
      d.upsampler.push_back(conv);
      advance(shuffled ? 2 : 1);
    }
    d.last_width = in;
    return take_last(d.channels, in);
  }

  const StageRules& rules_;
  Shape first_block_;
  std::vector<std::pair<std::int64_t, std::int64_t>> projections_;  // out and in
  std::vector<std::int64_t> grouped_;
  std::int64_t since_projection_ = 0;
};

bool are_depths(const std::vector<std::int64_t>& depths, std::size_t stages, std::size_t blocks) {
  const std::int64_t sum = std::accumulate(depths.begin(), depths.end(), std::int64_t{0});
  return depths.size() == stages && sum == static_cast<std::int64_t>(blocks) &&
         std::all_of(depths.begin(), depths.end(), [](std::int64_t depth) { return depth > 0; });
}

}  // namespace

std::optional<Network> recognise_stages(const Outline& outline, const NetworkInfo& hint,
                                        const StageRules& rules, std::span<const Variant> variants,
                                        std::span<const char* const> names) {
  StageDimensions d;
  StageReader reader(outline, rules);
  if (!reader.read(d)) return std::nullopt;
  const std::size_t blocks = reader.blocks();
  if (outline.gelus != (rules.gelu ? blocks : 0)) return std::nullopt;
  const std::size_t sigmoids =
      (rules.gelu ? 0 : 1) + (d.attention_width > 0 ? 1U : 0U) + (d.attention_kernel > 0 ? 1U : 0U);
  const std::size_t relus = d.attention_width > 0 ? blocks : 0;
  if (outline.sigmoids != sigmoids * blocks || outline.relus != relus) return std::nullopt;
  d.layer_norm = outline.layer_norms > 0;
  for (std::size_t i = 0; i < d.upsampler.size(); ++i) {
    d.upsampler[i].path = d.upsampler[i].key = fmt::format("upsample.{}", i);
  }

  const auto noted = std::find_if(names.begin(), names.end(),
                                  [&](const char* name) { return hint.generation == name; });
  const bool is_noted = noted != names.end();
  const std::string generation = is_noted ? *noted : names.back();
  const std::size_t stages = d.depths.size();
  d.depths = depths_by_names(reader.names(), "stages.");
  if (!are_depths(d.depths, stages, blocks)) d.depths = reader.grouped();
  if (!are_depths(d.depths, stages, blocks)) d.depths = hint.depths;
  if (!are_depths(d.depths, stages, blocks)) {
    // As even as can be.
    const std::size_t more = blocks % std::max<std::size_t>(stages, 1);
    d.depths.clear();
    for (std::size_t i = 0; i < stages; ++i) {
      d.depths.push_back(static_cast<std::int64_t>(blocks / stages + (i < more ? 1 : 0)));
    }
  }
  if (!are_depths(d.depths, stages, blocks)) return std::nullopt;
  Network network = stage_network_of(d, rules, variants, generation);
  add_evidence(network.facts, "generation", generation,
               is_noted ? "the file's metadata"
                        : "the latest one whose graph has these steps; the file doesn't say",
               is_noted);
  return network;
}

}  // namespace aether2onnx::network
