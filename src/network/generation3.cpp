// AetherNet, third generation: the fusion takes the outputs of the stages as they are, although the
// file has a projection for each.

#include <array>

#include "network/generation.h"
#include "network/stages.h"

namespace aether2onnx::network {

namespace {

constexpr std::array kNames = {"G3"};

constexpr std::array kVariants = {
    Variant{"aether_small", 96, 4, 4, 192, 11, 3, false, false},
    Variant{"aether_medium", 128, 4, 6, 256, 11, 3, true, true},
    Variant{"aether_large", 180, 5, 8, 360, 11, 3, true, true},
};

constexpr double kNormEpsilon = 1e-5;

StageRules rules() {
  StageRules rules;
  rules.temperature_divides = true;
  rules.linear_attention = true;
  rules.attention_bias = true;
  rules.raw_fusion = true;
  rules.uneven_split = false;
  rules.error_comp_first = true;
  rules.head_divisor = 2;
  return rules;
}

bool fits(const View& view) {
  const StageKeys keys = stage_keys(view);
  return keys.is_stage_family && !keys.plain && keys.temperature_rank == 0 && keys.has_statistics &&
         keys.fusion_inputs == keys.embed_dim * keys.stages;
}

// With one stage the shapes of the fusion are those of G4, too; then channel attention tells.
bool is_likely(const View& view) {
  const StageKeys keys = stage_keys(view);
  return keys.stages > 1 || keys.attention_rank == 2;
}

Network describe(const View& view, const ReadOptions& options) {
  const StageKeys keys = stage_keys(view);
  StageGeneration generation{rules(), kVariants, kNames.front()};
  generation.because = "temperature of rank 0, fusion over the channels of all stages";
  if (keys.stages == 1) {
    generation.because = keys.attention_rank == 2
                             ? "temperature of rank 0, channel attention of Linear"
                             : "temperature of rank 0; with one stage G3 and G4 look alike";
    generation.certain = keys.attention_rank == 2;
    if (const auto named = named_generation(view, options, kNames)) {
      generation.because = named->second;
      generation.certain = true;
    }
  }
  generation.norm_eps = {kNormEpsilon, "the generation's"};
  return describe_stages(view, options, generation);
}

std::optional<Network> recognise_graph(const Outline& outline, const NetworkInfo& hint) {
  return recognise_stages(outline, hint, rules(), kVariants, kNames);
}

}  // namespace

const Generation kGeneration3 = {kNames, kVariants, fits, is_likely, describe, recognise_graph};

}  // namespace aether2onnx::network
