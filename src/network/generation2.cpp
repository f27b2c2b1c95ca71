// The second generation of AetherNet (G2, "aetherv2"). A file of G2 causes an error, because the
// published PyTorch code of G2 cannot run: the code adds tensors of different sizes.

#include <array>

#include "base/error.h"
#include "network/stages.h"

namespace aether2onnx::network {

namespace {

constexpr std::array kNames = {"G2"};

bool fits(const FloatStateDict& file) {
  const StageKeys keys = stage_keys(file);
  return keys.has_stages && !keys.plain && keys.temperature_rank == 0 && !keys.has_statistics &&
         keys.fusion_inputs != keys.embed_dim;
}

Decision decide(const FloatStateDict& /*file*/, const ReadOptions& /*options*/) {
  fail({ErrorKind::unsupported, "network-cannot-run", kNames.front()},
       "the file is an AetherNet of generation G2. The published code of G2 can't run: the layer "
       "that fuses the stages adds a tensor of embed_dim channels to a tensor of "
       "embed_dim * stages channels.\n"
       "Nobody can have trained such a network; give a checkpoint of another generation.");
}

}  // namespace

const Generation kGeneration2 = {kNames, {}, fits, fits, decide};

}  // namespace aether2onnx::network
