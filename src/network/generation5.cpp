// AetherNet, fifth generation: the temperature multiplies. 5.0 splits the projections of the stages
// evenly and has no scale buffer; 5.1 and 5.2 have one, and a factor of what blocks add.

#include <array>

#include "network/generation.h"
#include "network/stages.h"

namespace aether2onnx::network {

namespace {

// 5.1 and 5.2 are one network: they have the same keys and compute the same.
constexpr std::array kFirstNames = {"G5.0"};
constexpr std::array kNames = {"G5.1", "G5.2"};

constexpr std::array kVariants = {
    Variant{"aether_tiny", 64, 3, 3, 128, 11, 3, false, false},
    Variant{"aether_small", 96, 4, 4, 192, 11, 3, false, false},
    Variant{"aether_medium", 128, 4, 6, 256, 11, 3, true, true},
    Variant{"aether_large", 180, 5, 8, 360, 11, 3, true, true},
};

constexpr double kNormEpsilon = 1e-5;

StageRules rules(bool has_scale) {
  StageRules rules;
  rules.uneven_split = has_scale;
  rules.error_comp_first = true;
  return rules;
}

bool has_keys(const StageKeys& keys) {
  return keys.is_stage_family && !keys.plain && keys.temperature_rank == 1 &&
         !keys.has_scale_tensor;
}

bool fits_first(const View& view) {
  const StageKeys keys = stage_keys(view);
  return has_keys(keys) && !keys.has_scale;
}

bool fits(const View& view) {
  const StageKeys keys = stage_keys(view);
  return has_keys(keys) && keys.has_scale;
}

Network describe(const View& view, const ReadOptions& options) {
  const bool has_scale = stage_keys(view).has_scale;
  StageGeneration generation{rules(has_scale), kVariants, has_scale ? "G5.2" : "G5.0"};
  generation.because = has_scale ? "temperature of rank 1, a buffer 'scale'; G5.1 is the same"
                                 : "temperature of rank 1, no buffer of the scale";
  // Which of the two is a matter of the name alone.
  if (const auto named = named_generation(view, options, kNames); named && has_scale) {
    generation.name = named->first;
    generation.because = named->second;
  }
  if (has_scale) {
    generation.res_scale =
        Decided{1, "the file doesn't say; the generation's constructor has it", false};
  }
  generation.norm_eps = {kNormEpsilon, "the generation's"};
  return describe_stages(view, options, generation);
}

std::optional<Network> recognise_first(const Outline& outline, const NetworkInfo& hint) {
  return recognise_stages(outline, hint, rules(false), kVariants, kFirstNames);
}

std::optional<Network> recognise_graph(const Outline& outline, const NetworkInfo& hint) {
  return recognise_stages(outline, hint, rules(true), kVariants, kNames);
}

}  // namespace

const Generation kGeneration5First = {kFirstNames, kVariants, fits_first,
                                      fits_first,  describe,  recognise_first};
const Generation kGeneration5 = {kNames, kVariants, fits, fits, describe, recognise_graph};

}  // namespace aether2onnx::network
