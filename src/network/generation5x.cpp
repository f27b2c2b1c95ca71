// The generation G5x ("2.0.0 Definitive"), published between G5.2 and G6.0. The feed-forward
// network of each block has the activation GELU. Fusing a network of G5x does not change the norms,
// which keep their stored mean and variance. fits() recognises a file of G5x by keys that only G5x
// has, for example upsample.upsample.….

#include <array>

#include "network/stages.h"

namespace aether2onnx::network {

namespace {

constexpr std::array kNames = {"G5x"};

constexpr std::array kVariants = {
    Variant{"aether_tiny", 64, 3, 3, 128, 13, 3, {}, false},
    Variant{"aether_small", 96, 4, 6, 192, 13, 3, {}, false},
    Variant{"aether_medium", 128, 4, 6, 256, 13, 3, {}, false},
    Variant{"aether_large", 180, 5, 8, 360, 13, 3, {}, true},
};

constexpr BlockKind kBlock = {
    .gelu = true, .linear_attention = true, .branch_biases = true, .vector_norms = true};

bool fits(const FloatStateDict& file) {
  const StageKeys keys = stage_keys(file);
  return keys.has_stages && keys.plain;
}

Decision decide(const FloatStateDict& file, const ReadOptions& /*options*/) {
  Decision decision = {kNames.front(),
                       "only G5x has keys of quant_fusion_layer.conv or upsample.upsample"};
  decision.res_scale = res_scale_of_presets(stage_keys(file).embed_dim);
  decision.settings.norms_when_fused = DeploymentNorm::WhenFused::kept;
  return decision;
}

std::vector<std::string> upsample_paths(std::size_t i) {
  std::vector<std::string> paths = {fmt::format("upsample.upsample.up_{}.0", i)};
  if (i == 0) paths.emplace_back("upsample.upsample.up_3x.0");
  return paths;
}

Dimensions measure(const FloatStateDict& file, const std::string& what) {
  return measure_stages(file, what, upsample_paths, 0);
}

ValueId upsample_without_activation(NetworkWriter& net, ValueId body) {
  std::int64_t width = net.d.embed_dim;
  ValueId x = net.conv("conv_before_upsample", width, width, 3, body);
  for (const UpsampleConv& conv : net.d.upsampler) {
    x = net.conv(conv.key, conv.width * conv.factor * conv.factor, width, 3, x);
    width = conv.width;
    if (conv.factor == 1) continue;
    const std::string shuffle = conv.key.substr(0, conv.key.size() - 1) + "1";
    x = net.add(shuffle, PixelShuffle{conv.factor}, {x});
  }
  return x;
}

void forward(NetworkWriter& net) {
  const ParameterId mean = image_mean(net);
  const ValueId shallow = enter(net, mean);
  const std::vector<ValueId> outputs = run_stages(net, kBlock, shallow);
  ValueId x = fuse_and_compensate(net, fusion_convs(net, outputs, true), "conv");
  x = body_with_inner_norm(net, kBlock, x, shallow);
  x = upsample_without_activation(net, x);
  leave(net, mean, x);
}

}  // namespace

const Generation kGeneration5x = {kNames, kVariants, fits, fits, decide, measure, forward};

}  // namespace aether2onnx::network
