// The third generation of AetherNet (G3). A stage is a group of blocks. The fusion layer is a 1 x 1
// convolution that reads the outputs of all stages. The checkpoint also contains a projection (a
// 1 x 1 convolution) for each stage, but the network does not use these projections.

#include <array>

#include "network/stages.h"

namespace aether2onnx::network {

namespace {

constexpr std::array kNames = {"G3"};

constexpr std::array kVariants = {
    Variant{"aether_small", 96, 4, 4, 192, 11, 3, false, false},
    Variant{"aether_medium", 128, 4, 6, 256, 11, 3, true, true},
    Variant{"aether_large", 180, 5, 8, 360, 11, 3, true, true},
};

constexpr BlockKind kBlock = {
    .temperature_divides = true, .linear_attention = true, .attention_bias = true};

bool fits(const FloatStateDict& file) {
  const StageKeys keys = stage_keys(file);
  return keys.has_stages && !keys.plain && keys.temperature_rank == 0 && keys.has_statistics &&
         keys.fusion_inputs == keys.embed_dim * keys.stages;
}

// In a network with only one stage (group of blocks), the fusion layers of G3 and G4 have the same
// shapes. Then the weights of channel attention show the generation: their rank is 2 (Linear
// layers) in G3, but 4 (convolutions) in G4.
bool is_likely(const FloatStateDict& file) {
  const StageKeys keys = stage_keys(file);
  return keys.stages > 1 || keys.attention_rank == 2;
}

Decision decide(const FloatStateDict& file, const ReadOptions& options) {
  const StageKeys keys = stage_keys(file);
  const char* name = kNames.front();
  if (keys.stages != 1) {
    return {
        name,
        "ffn.temperature has rank 0, and the fusion layer has embed_dim x stages input channels"};
  }
  if (const auto named = named_generation(file, options, kNames)) {
    return {name, named->because, named->certain};
  }
  if (keys.attention_rank == 2) {
    return {name, "ffn.temperature has rank 0, and channel attention has Linear layers"};
  }
  return {
      name,
      "the network has one stage, and with one stage the generations G3 and G4 have the same keys",
      false};
}

// Adds the unused 1 x 1 convolutions fusion_convs.<stage> to `net` as buffers. A buffer is a tensor
// of the file that the forward pass does not use.
void declare_fusion_convs(NetworkWriter& net) {
  const auto count = static_cast<std::int64_t>(net.d.depths.size());
  const std::int64_t out = net.d.embed_dim / count;
  for (std::int64_t i = 0; i < count; ++i) {
    net.buffer(fmt::format("fusion_convs.{}.weight", i), {out, net.d.embed_dim, 1, 1});
    net.buffer(fmt::format("fusion_convs.{}.bias", i), {out});
  }
}

void forward(NetworkWriter& net) {
  const auto stages = static_cast<std::int64_t>(net.d.depths.size());
  const ParameterId mean = image_mean(net);
  const ValueId shallow = enter(net, mean);
  const std::vector<ValueId> outputs = run_stages(net, kBlock, shallow);
  declare_fusion_convs(net);
  ValueId x = compensate_and_fuse(net, outputs, net.d.embed_dim * stages);
  x = body_with_inner_norm(net, kBlock, x, shallow);
  x = upsample(net, net.d.embed_dim / 2, x);
  leave(net, mean, x);
}

}  // namespace

const Generation kGeneration3 = {kNames, kVariants,      fits,   is_likely,
                                 decide, measure_stages, forward};

}  // namespace aether2onnx::network
