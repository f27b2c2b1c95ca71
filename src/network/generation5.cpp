// The fifth generation of AetherNet (G5.0 to G5.2). Each block multiplies the output of its layer
// conv_gate by its weight ffn.temperature. The output of each stage (group of blocks) passes
// through a projection (1 x 1 convolution). In G5.0, all projections have the same number of
// channels. G5.1 and G5.2 have a buffer `scale`, and multiply each block's output by the factor
// res_scale. G5.0 has no buffer `scale` and no res_scale.

#include <array>

#include "network/stages.h"

namespace aether2onnx::network {

namespace {

// G5.0 has no buffer `scale`, so G5.0 has a row of its own in the table of generations. G5.1 and
// G5.2 share a row, because their keys and their outputs are equal.
constexpr std::array kFirstNames = {"G5.0"};
constexpr std::array kNames = {"G5.1", "G5.2"};

constexpr std::array kVariants = {
    Variant{"aether_tiny", 64, 3, 3, 128, 11, 3, false, false},
    Variant{"aether_small", 96, 4, 4, 192, 11, 3, false, false},
    Variant{"aether_medium", 128, 4, 6, 256, 11, 3, true, true},
    Variant{"aether_large", 180, 5, 8, 360, 11, 3, true, true},
};

bool has_keys(const StageKeys& keys) {
  return keys.has_stages && !keys.plain && keys.temperature_rank == 1 && !keys.has_scale_tensor;
}

bool fits_first(const FloatStateDict& file) {
  const StageKeys keys = stage_keys(file);
  return has_keys(keys) && !keys.has_scale;
}

bool fits(const FloatStateDict& file) {
  const StageKeys keys = stage_keys(file);
  return has_keys(keys) && keys.has_scale;
}

Decision decide_first(const FloatStateDict& file, const ReadOptions& /*options*/) {
  require_even_stages(stage_keys(file), kFirstNames.front());
  return {kFirstNames.front(), "ffn.temperature has rank 1, and the file has no buffer 'scale'"};
}

Decision decide(const FloatStateDict& file, const ReadOptions& options) {
  Decision decision = {
      "G5.2",
      "ffn.temperature has rank 1, and the file has a buffer 'scale'; G5.1 and G5.2 are the same "
      "network"};
  // G5.1 and G5.2 differ only in the name. So the option `generation`, or the note that `fuse`
  // wrote into a fused checkpoint, changes only the name.
  if (const auto named = named_generation(file, options, kNames)) {
    decision.name = named->name;
    decision.because = named->because;
  }
  decision.res_scale = {
      1, "the file does not contain the value; 1 is the default of the network's class", false};
  return decision;
}

void forward(NetworkWriter& net, bool uneven) {
  const ParameterId mean = image_mean(net);
  const ValueId shallow = enter(net, mean);
  const std::vector<ValueId> outputs = run_stages(net, {}, shallow);
  const std::vector<ValueId> parts = fusion_convs(net, outputs, uneven);
  ValueId x = compensate_and_fuse(net, parts, net.d.embed_dim);
  x = body_with_inner_norm(net, {}, x, shallow);
  x = upsample(net, net.d.embed_dim, x);
  leave(net, mean, x);
}

void forward_first(NetworkWriter& net) { forward(net, false); }
void forward_later(NetworkWriter& net) { forward(net, true); }

}  // namespace

const Generation kGeneration5First = {kFirstNames,  kVariants,      fits_first,   fits_first,
                                      decide_first, measure_stages, forward_first};
const Generation kGeneration5 = {kNames, kVariants,      fits,         fits,
                                 decide, measure_stages, forward_later};

}  // namespace aether2onnx::network
