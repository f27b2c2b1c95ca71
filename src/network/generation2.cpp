// AetherNet, second generation ("aetherv2"): published, and never runnable.

#include <array>

#include "base/error.h"
#include "network/generation.h"
#include "network/stages.h"

namespace aether2onnx::network {

namespace {

constexpr std::array kNames = {"G2"};

bool fits(const View& view) {
  const StageKeys keys = stage_keys(view);
  return keys.is_stage_family && !keys.plain && keys.temperature_rank == 0 &&
         !keys.has_statistics && keys.fusion_inputs != keys.embed_dim;
}

Network describe(const View& /*view*/, const ReadOptions& /*options*/) {
  fail(ErrorKind::unsupported,
       "the file is an AetherNet of generation G2, whose published code can't run: its fusion adds "
       "embed_dim channels to embed_dim times the number of stages.\n"
       "No such network can have been trained; give a checkpoint of another generation.");
}

std::optional<Network> recognise_graph(const Outline& /*outline*/, const NetworkInfo& /*hint*/) {
  return std::nullopt;
}

}  // namespace

const Generation kGeneration2 = {kNames, {}, fits, fits, describe, recognise_graph};

}  // namespace aether2onnx::network
