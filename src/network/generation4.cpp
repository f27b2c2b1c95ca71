// The fourth generation of AetherNet (G4). A stage is a group of blocks. The output of each stage
// passes through a projection (1 x 1 convolution). The fusion layer, another 1 x 1 convolution,
// then reads the outputs of all projections.

#include <array>

#include "network/stages.h"

namespace aether2onnx::network {

namespace {

constexpr std::array kNames = {"G4"};

constexpr std::array kVariants = {
    Variant{"aether_small", 96, 4, 4, 192, 11, 3, false, false},
    Variant{"aether_medium", 128, 4, 6, 256, 11, 3, true, true},
    Variant{"aether_large", 180, 5, 8, 360, 11, 3, true, true},
};

constexpr BlockKind kBlock = {.temperature_divides = true, .attention_bias = true};

bool fits(const FloatStateDict& file) {
  const StageKeys keys = stage_keys(file);
  return keys.has_stages && !keys.plain && keys.temperature_rank == 0 &&
         (keys.fusion_inputs == keys.embed_dim || keys.fusion_inputs == 0);
}

Decision decide(const FloatStateDict& file, const ReadOptions& options) {
  const StageKeys keys = stage_keys(file);
  const char* name = kNames.front();
  require_even_stages(keys, name);
  if (keys.stages != 1) {
    return {name, "ffn.temperature has rank 0, and the fusion layer has embed_dim input channels"};
  }
  if (keys.attention_rank == 4) {
    return {name, "ffn.temperature has rank 0, and channel attention has convolutions"};
  }
  if (const auto named = named_generation(file, options, kNames)) {
    return {name, named->because, named->certain};
  }
  return {
      name,
      "the network has one stage, and with one stage the generations G3 and G4 have the same keys",
      false};
}

void forward(NetworkWriter& net) {
  const ParameterId mean = image_mean(net);
  const ValueId shallow = enter(net, mean);
  const std::vector<ValueId> outputs = run_stages(net, kBlock, shallow);
  const std::vector<ValueId> parts = fusion_convs(net, outputs, false);
  ValueId x = compensate_and_fuse(net, parts, net.d.embed_dim);
  x = body_with_inner_norm(net, kBlock, x, shallow);
  x = upsample(net, net.d.embed_dim / 2, x);
  leave(net, mean, x);
}

}  // namespace

const Generation kGeneration4 = {kNames, kVariants, fits, fits, decide, measure_stages, forward};

}  // namespace aether2onnx::network
