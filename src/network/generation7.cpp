// AetherNet, seventh generation, the last one published: the body's norm stands before the
// shortcut's sum.

#include <array>

#include "network/generation.h"
#include "network/scale_tensor.h"
#include "network/stages.h"

namespace aether2onnx::network {

namespace {

constexpr std::array kNames = {"G7a", "G7b", "G7c", "G7d"};

constexpr std::array kVariants = {
    Variant{"aether_mobile", 64, 4, 2, 96, 7, 3, false, false},
    Variant{"aether_tiny", 64, 3, 3, 96, 13, 5, true, false},
    Variant{"aether_small", 96, 4, 4, 144, 13, 5, true, false},
    Variant{"aether_medium", 128, 4, 6, 192, 13, 5, true, false},
    Variant{"aether_large", 180, 5, 8, 270, 13, 5, true, true},
    Variant{"aether_pro", 192, 5, 8, 336, 15, 5, true, true},
    Variant{"aether_extreme", 256, 5, 12, 512, 21, 5, true, true},
};

constexpr double kEarlyNormEpsilon = 1e-5;
constexpr double kNormEpsilon = 1e-4;

StageRules rules() {
  StageRules rules;
  rules.norms_when_fused = DeploymentNorm::WhenFused::folded_without_statistics;
  rules.norm_before_shortcut = true;
  rules.range_divides = true;
  return rules;
}

bool is_likely(const View& view) { return decide_scale_tensor(view, {}).is_seventh(); }

Network describe(const View& view, const ReadOptions& options) {
  const ScaleTensorGeneration decided = decide_scale_tensor(view, options);
  StageGeneration generation{rules(), kVariants, decided.name, decided.because, decided.certain};
  generation.res_scale = res_scale_of_presets(stage_keys(view).embed_dim);
  const bool early = decided.name == "G7a" || decided.name == "G7b";
  generation.norm_eps = {early ? kEarlyNormEpsilon : kNormEpsilon,
                         decided.certain_letter ? "that of " + decided.name
                                                : "G7a and G7b have 1e-05, G7c and G7d this",
                         decided.certain_letter};
  generation.without_error_comp = view.quantization() == Quantization::int8;
  return describe_stages(view, options, generation);
}

std::optional<Network> recognise_graph(const Outline& outline, const NetworkInfo& hint) {
  return recognise_stages(outline, hint, rules(), kVariants, kNames);
}

}  // namespace

const Generation kGeneration7 = {kNames,    kVariants, fits_scale_tensor,
                                 is_likely, describe,  recognise_graph};

}  // namespace aether2onnx::network
