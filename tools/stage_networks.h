/// @file
/// Weights of the later generations of AetherNet ("stages.*") without any training, for samples and
/// tests. Written from the lists of keys that PyTorch writes; shares no code with the recogniser.
/// fill_random(), fill_sines() and make_epsilon_sensitive() of sample_networks.h fill them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint_writer.h"

namespace aether2onnx::tools {

struct StageShape {
  /// "G2", "G3", "G4", "G5.0", "G5.1", "G5.2", "G5x", "G6.0", "G6.1", "G7a", "G7b", "G7c" or "G7d".
  std::string generation = "G7d";
  std::int64_t channels = 3;
  std::int64_t embed_dim = 16;
  std::vector<std::int64_t> depths = {2, 1};
  std::int64_t hidden_dim = 32;
  std::int64_t large_kernel = 5;
  std::int64_t small_kernel = 3;
  std::int64_t scale = 2;
  bool fused = false;
  bool channel_attention = false;
  bool spatial_attention = false;
  bool layer_norm = false;  ///< norm_type "layernorm" instead of "deployment".
};

/// Every generation that there are shapes of, in the order of publication.
const std::vector<std::string>& stage_generations();

/// The network that the last generation published under a name, "aether_mobile" to
/// "aether_extreme". Throws std::invalid_argument where there is none of that name.
StageShape stage_preset(std::string_view model_type, std::int64_t scale);

/// All entries of the network's state dict in its order: weights 0, counters and versions what they
/// are in a trained network, the mean 0.5. Throws std::invalid_argument for what the generation's
/// class refuses to build.
std::vector<NamedTensor> make_tensors(const StageShape& shape);

/// The tensors of the fused network, as the published class of that generation makes it: the two
/// branches of each block added up, and its normalizations' statistics folded into weight and bias
/// (G5x leaves them); G7 deletes the statistics then, the others keep them. `shape` is the unfused
/// network's.
std::vector<NamedTensor> fuse(const std::vector<NamedTensor>& unfused, const StageShape& shape);

/// Every module of the network by its path, those without weights among them, for
/// CheckpointLayout::module_names.
std::vector<std::string> module_names(const StageShape& shape);

/// What the class notes of its construction, for "arch_config" in CheckpointLayout::beside.
/// `res_scale` and `img_range` are in no tensor.
PythonDict arch_config(const StageShape& shape, double res_scale, double img_range = 1);

}  // namespace aether2onnx::tools
