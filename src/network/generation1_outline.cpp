// AetherNet, first generation, in a graph: the order of its weighted steps and their shapes.

#include "network/generation1.h"
#include "network/keys.h"
#include "network/outline_reader.h"

namespace aether2onnx::network {

namespace {

using Kind = OutlineStep::Kind;

// Reads the steps one after the other; false where one isn't what the network has there.
class Reader : public OutlineReader {
 public:
  using OutlineReader::OutlineReader;

  bool read(Dimensions& d) {
    if (!within_limits() || !take_first(d.embed_dim, d.channels)) return false;
    while (block(d)) {
    }
    return blocks() > 0 && last(d) && at_end();
  }

 private:
  bool block(Dimensions& d) {
    std::int64_t large_kernel = 0;
    std::int64_t small_kernel = 0;
    const std::size_t convolutions = depthwise(d.embed_dim, large_kernel, small_kernel);
    if (convolutions == 0) return false;
    const bool fused = convolutions == 1;
    const std::int64_t hidden_dim = step(convolutions).shape[0];
    if (blocks() == 0) {
      d.fused = fused;
      d.large_kernel = large_kernel;
      d.small_kernel = small_kernel;
      d.hidden_dim = hidden_dim;
    }
    if (d.fused != fused || d.large_kernel != large_kernel || d.small_kernel != small_kernel ||
        d.hidden_dim != hidden_dim) {
      return false;
    }
    take_block(convolutions, convolutions + 3);
    return true;
  }

  bool last(Dimensions& d) {
    if (left() < 4 || !is_conv(0, {d.embed_dim, d.embed_dim, 3, 3}, 1)) return false;
    if (step(1).shape.size() != 4) return false;
    d.feature_width = step(1).shape[0];
    if (!is_conv(1, {d.feature_width, d.embed_dim, 3, 3}, 1)) return false;
    if (step(2).kind != Kind::leaky_relu) return false;
    advance(3);
    while (left() >= 2 && step(1).kind == Kind::pixel_shuffle) {
      const std::int64_t factor = step(1).factor;
      const bool known = factor == 2 || (factor == 3 && d.shuffle_factors.empty());
      if (!known || d.shuffle_factors.size() == kMostUpsamplers ||
          !is_conv(0, {d.feature_width * factor * factor, d.feature_width, 3, 3}, 1)) {
        return false;
      }
      d.shuffle_factors.push_back(factor);
      advance(2);
    }
    return take_last(d.channels, d.feature_width);
  }
};

std::vector<std::int64_t> depths_of(const Reader& reader, Dimensions d, const NetworkInfo& hint) {
  const auto blocks = static_cast<std::int64_t>(reader.blocks());
  if (auto depths = depths_by_names(reader.names(), "layers."); !depths.empty()) return depths;
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

std::optional<Network> recognise_generation1(const Outline& outline, const NetworkInfo& hint) {
  Dimensions d;
  Reader reader(outline);
  if (!reader.read(d) || outline.gelus != reader.blocks() ||
      outline.sigmoids + outline.relus != 0) {
    return std::nullopt;
  }
  d.depths = depths_of(reader, d, hint);
  return network_of(d);
}

}  // namespace aether2onnx::network
