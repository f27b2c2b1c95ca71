// AetherNet, first generation, in a graph: the order of its weighted steps and their shapes.

#include <algorithm>
#include <span>

#include "base/limits.h"
#include "network/generation1.h"

namespace aether2onnx::network {

namespace {

using Kind = OutlineStep::Kind;
using Shape = std::vector<std::int64_t>;

bool is_conv(const OutlineStep& step, const Shape& shape, std::int64_t groups) {
  return step.kind == Kind::convolution && step.shape == shape && step.groups == groups;
}

// A projection, which may have become a convolution of 1 x 1.
bool is_projection(const OutlineStep& step, std::int64_t out, std::int64_t in) {
  return (step.kind == Kind::projection && step.shape == Shape{out, in}) ||
         is_conv(step, {out, in, 1, 1}, 1);
}

bool is_depthwise(const OutlineStep& step, std::int64_t channels) {
  return step.kind == Kind::convolution && step.shape.size() == 4 && step.shape[0] == channels &&
         step.shape[1] == 1 && step.groups == channels && step.shape[2] == step.shape[3] &&
         step.shape[2] % 2 == 1;
}

// Reads the steps one after the other; false where one isn't what the network has there.
class Reader {
 public:
  explicit Reader(const Outline& outline) : steps_(outline.steps) {}

  bool read(Dimensions& d) {
    if (!within_limits() || !first(d)) return false;
    while (block(d)) ++blocks_;
    return blocks_ > 0 && last(d) && steps_.empty();
  }

  std::size_t blocks() const { return blocks_; }
  // Of each block, the name of the (larger) depthwise kernel.
  const std::vector<std::string>& names() const { return names_; }

 private:
  bool within_limits() const {
    return std::all_of(steps_.begin(), steps_.end(), [](const OutlineStep& step) {
      return std::all_of(step.shape.begin(), step.shape.end(),
                         [](std::int64_t size) { return size > 0 && size <= limits::kLayerWidth; });
    });
  }

  void advance(std::size_t count) { steps_ = steps_.subspan(count); }

  bool first(Dimensions& d) {
    if (steps_.empty() || steps_[0].shape.size() != 4) return false;
    d.embed_dim = steps_[0].shape[0];
    d.channels = steps_[0].shape[1];
    if (!is_conv(steps_[0], {d.embed_dim, d.channels, 3, 3}, 1)) return false;
    advance(1);
    return true;
  }

  // One depthwise convolution, or two, the larger one in whichever place; then three projections.
  bool block(Dimensions& d) {
    const std::int64_t channels = d.embed_dim;
    if (steps_.size() < 4 || !is_depthwise(steps_[0], channels)) return false;
    const bool fused = !is_depthwise(steps_[1], channels) || is_ffn(1, d);
    const std::size_t convolutions = fused ? 1 : 2;
    if (!is_ffn(convolutions, d)) return false;
    const auto by_kernel = [](const OutlineStep& a, const OutlineStep& b) {
      return a.shape[2] < b.shape[2];
    };
    const auto kernels = steps_.first(convolutions);
    const OutlineStep& large = *std::max_element(kernels.begin(), kernels.end(), by_kernel);
    const OutlineStep& small = *std::min_element(kernels.begin(), kernels.end(), by_kernel);
    const std::int64_t small_kernel = fused ? 0 : small.shape[2];
    const std::int64_t hidden_dim = steps_[convolutions].shape[0];
    if (blocks_ == 0) {
      d.fused = fused;
      d.large_kernel = large.shape[2];
      d.small_kernel = small_kernel;
      d.hidden_dim = hidden_dim;
    }
    if (d.fused != fused || d.large_kernel != large.shape[2] || d.small_kernel != small_kernel ||
        d.hidden_dim != hidden_dim) {
      return false;
    }
    names_.push_back(large.name);
    advance(convolutions + 3);
    return true;
  }

  bool is_ffn(std::size_t at, const Dimensions& d) const {
    if (steps_.size() < at + 3 || steps_[at].shape.empty()) return false;
    const std::int64_t hidden_dim = steps_[at].shape[0];
    return is_projection(steps_[at], hidden_dim, d.embed_dim) &&
           is_projection(steps_[at + 1], hidden_dim, d.embed_dim) &&
           is_projection(steps_[at + 2], d.embed_dim, hidden_dim);
  }

  bool last(Dimensions& d) {
    if (steps_.size() < 4 || !is_conv(steps_[0], {d.embed_dim, d.embed_dim, 3, 3}, 1)) return false;
    if (steps_[1].shape.size() != 4) return false;
    d.feature_width = steps_[1].shape[0];
    if (!is_conv(steps_[1], {d.feature_width, d.embed_dim, 3, 3}, 1)) return false;
    if (steps_[2].kind != Kind::leaky_relu) return false;
    advance(3);
    while (steps_.size() >= 2 && steps_[1].kind == Kind::pixel_shuffle) {
      const std::int64_t factor = steps_[1].factor;
      const bool known = factor == 2 || (factor == 3 && d.shuffle_factors.empty());
      if (!known || d.shuffle_factors.size() == kMostUpsamplers ||
          !is_conv(steps_[0], {d.feature_width * factor * factor, d.feature_width, 3, 3}, 1)) {
        return false;
      }
      d.shuffle_factors.push_back(factor);
      advance(2);
    }
    if (steps_.empty() || !is_conv(steps_[0], {d.channels, d.feature_width, 3, 3}, 1)) return false;
    advance(1);
    return true;
  }

  std::span<const OutlineStep> steps_;
  std::size_t blocks_ = 0;
  std::vector<std::string> names_;
};

// How the blocks are grouped, by the names of their weights, layers.<group>.<block>.…; empty where
// these aren't such names, in that order.
std::vector<std::int64_t> depths_by_names(const std::vector<std::string>& names) {
  std::vector<std::int64_t> depths;
  for (const std::string& name : names) {
    const std::size_t start = name.find("layers.");
    if (start == std::string::npos) return {};
    const auto key = parse_block_key(std::string_view(name).substr(start));
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

std::vector<std::int64_t> depths_of(const Reader& reader, Dimensions d,
                                    const Report::Network& hint) {
  const auto blocks = static_cast<std::int64_t>(reader.blocks());
  if (auto depths = depths_by_names(reader.names()); !depths.empty()) return depths;
  std::int64_t hinted = 0;
  for (const std::int64_t depth : hint.depths) {
    if (depth < 1 || depth > blocks) return {blocks};
    hinted += depth;
  }
  if (hinted == blocks) return hint.depths;
  d.depths = {blocks};
  auto depths = depths_of_variant(d);
  return depths.empty() ? d.depths : depths;
}

}  // namespace

std::optional<Network> recognise_generation1(const Outline& outline, const Report::Network& hint) {
  Dimensions d;
  Reader reader(outline);
  if (!reader.read(d) || outline.gelus != reader.blocks()) return std::nullopt;
  d.depths = depths_of(reader, d, hint);
  return network_of(d);
}

}  // namespace aether2onnx::network
