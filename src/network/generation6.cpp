// AetherNet, sixth generation: error_comp is added after the fusion's convolution, and the body's
// norm stands behind the shortcut's sum.

#include <array>

#include "network/generation.h"
#include "network/scale_tensor.h"
#include "network/stages.h"

namespace aether2onnx::network {

namespace {

constexpr std::array kNames = {"G6.0", "G6.1"};

constexpr std::array kVariants = {
    Variant{"aether_tiny", 64, 3, 3, 96, 13, 5, true, false},
    Variant{"aether_small", 96, 4, 4, 144, 13, 5, true, false},
    Variant{"aether_medium", 128, 4, 6, 192, 13, 5, true, false},
    Variant{"aether_large", 180, 5, 8, 270, 13, 5, true, true},
};

constexpr double kNormEpsilon = 1e-5;

StageRules rules() {
  StageRules rules;
  return rules;
}

bool is_likely(const View& view) { return !decide_scale_tensor(view, {}).is_seventh(); }

Network describe(const View& view, const ReadOptions& options) {
  const ScaleTensorGeneration decided = decide_scale_tensor(view, options);
  StageGeneration generation{rules(), kVariants, decided.name, decided.because, decided.certain};
  generation.res_scale = res_scale_of_presets(stage_keys(view).embed_dim);
  generation.norm_eps = {kNormEpsilon, "the generation's"};
  return describe_stages(view, options, generation);
}

std::optional<Network> recognise_graph(const Outline& outline, const NetworkInfo& hint) {
  return recognise_stages(outline, hint, rules(), kVariants, kNames);
}

}  // namespace

const Generation kGeneration6 = {kNames,    kVariants, fits_scale_tensor,
                                 is_likely, describe,  recognise_graph};

}  // namespace aether2onnx::network
