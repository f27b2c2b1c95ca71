// AetherNet "2.0.0 Definitive", between the fifth and the sixth generation: GELU, norms that are
// never folded, keys of its own.

#include <array>

#include "network/generation.h"
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

constexpr double kNormEpsilon = 1e-5;

StageRules rules() {
  StageRules rules;
  rules.gelu = true;
  rules.linear_attention = true;
  rules.vector_statistics = true;
  rules.norms_when_fused = DeploymentNorm::WhenFused::kept;
  rules.conv_biases = true;
  rules.fusion_conv = "conv";
  rules.leaky_head = false;
  rules.plain_upsampler = true;
  return rules;
}

bool fits(const View& view) {
  const StageKeys keys = stage_keys(view);
  return keys.is_stage_family && keys.plain;
}

Network describe(const View& view, const ReadOptions& options) {
  StageGeneration generation{rules(), kVariants, kNames.front()};
  generation.because = "keys quant_fusion_layer.conv and upsample.upsample";
  generation.res_scale = res_scale_of_presets(stage_keys(view).embed_dim);
  generation.norm_eps = {kNormEpsilon, "the generation's"};
  return describe_stages(view, options, generation);
}

std::optional<Network> recognise_graph(const Outline& outline, const NetworkInfo& hint) {
  return recognise_stages(outline, hint, rules(), kVariants, kNames);
}

}  // namespace

const Generation kGeneration5x = {kNames, kVariants, fits, fits, describe, recognise_graph};

}  // namespace aether2onnx::network
