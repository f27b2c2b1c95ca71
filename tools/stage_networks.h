/// @file
/// Makes untrained weights of AetherNets of the later generations ("stages.*"), for samples and
/// tests. Follows the lists of keys that PyTorch writes; shares no code with the recogniser.
/// fill_random(), fill_sines() and make_epsilon_sensitive() of sample_networks.h set the values.
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

/// Returns the names of all generations that StageShape can describe, in the order of publication.
const std::vector<std::string>& stage_generations();

/// Returns the network that the last generation published under the name `model_type`,
/// "aether_mobile" to "aether_extreme". Throws std::invalid_argument if no network has this name.
StageShape stage_preset(std::string_view model_type, std::int64_t scale);

/// Returns all entries of the network's state dict in its order. Weights are 0, the mean is 0.5 (in
/// G2 and G3 only for 3 channels, else 0), counters and versions are as in a trained network.
/// Throws std::invalid_argument if the generation's class cannot build the shape.
std::vector<NamedTensor> make_tensors(const StageShape& shape);

/// Returns the tensors of the fused network, as the published class of the generation makes them.
/// Adds up the two branches of each block. Except in G5x, folds the statistics of normalizations
/// into weight and bias. G7 then deletes the statistics, other generations keep them. `shape`
/// describes the unfused network.
std::vector<NamedTensor> fuse(const std::vector<NamedTensor>& unfused, const StageShape& shape);

/// Returns the paths of all modules of the network, including modules without weights, for
/// CheckpointLayout::module_names.
std::vector<std::string> module_names(const StageShape& shape);

/// Returns the constructor arguments that the class saves as "arch_config", for
/// CheckpointLayout::beside. No tensor contains `res_scale` and `img_range`.
PythonDict arch_config(const StageShape& shape, double res_scale, double img_range = 1);

}  // namespace aether2onnx::tools
