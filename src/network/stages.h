/// @file
/// What the generations with keys stages.<i>.<j>.… have in common: how they are told apart by their
/// keys, their dimensions, and their forward pass with the points in which they differ. Private to
/// this stage.
///
/// A block is a large-kernel depthwise convolution (trained as the sum of two), a normalization, a
/// gated feed-forward of three projections, optional channel and spatial attention, and a residual
/// addition; every stage's output goes through a projection, and all of them together through
/// another one.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "network/evidence.h"
#include "network/generation.h"
#include "network/keys.h"
#include "network/network_writer.h"
#include "network/view.h"

namespace aether2onnx::network {

/// What a generation has where others differ.
struct StageRules {
  bool gelu = false;                 ///< The gate's activation; SiLU otherwise.
  bool temperature_divides = false;  ///< And has rank 0; it multiplies and has rank 1 otherwise.
  bool linear_attention = false;     ///< Channel attention of Linear, not of 1 x 1 convolutions.
  bool attention_bias = false;
  bool vector_statistics = false;  ///< Deployment norms of (C), not of (1, C, 1, 1).
  DeploymentNorm::WhenFused norms_when_fused = DeploymentNorm::WhenFused::folded_with_statistics;
  bool conv_biases = false;  ///< lk_conv.bias instead of lk_bias.

  bool raw_fusion = false;   ///< The fusion takes the stages' outputs as they are.
  bool uneven_split = true;  ///< The first embed_dim % stages projections have one channel more.
  bool error_comp_first = false;  ///< Before the fusion's convolution; after it otherwise.
  const char* fusion_conv = "fusion_conv";
  bool norm_before_shortcut = false;  ///< The body's norm; after the shortcut's sum otherwise.

  std::int64_t head_divisor = 1;  ///< conv_before_upsample has embed_dim / this channels.
  bool leaky_head = true;         ///< And is a Sequential with a LeakyReLU.
  bool plain_upsampler =
      false;                   ///< Keys upsample.upsample.up_<i>.0; upsample.blocks.<2i> otherwise.
  bool range_divides = false;  ///< The image is divided by img_range, before the mean.
};

/// What is known of a file before its generation is.
struct StageKeys {
  bool is_stage_family = false;
  bool plain = false;  ///< Has keys that only G5x has.
  /// Of the temperature; where it lacks, 0 if there is num_batches_tracked, 1 otherwise.
  std::size_t temperature_rank = 1;
  std::int64_t embed_dim = 0;
  std::int64_t stages = 0;
  std::int64_t fusion_inputs = 0;  ///< Channels that the fusion's convolution takes; 0 if unknown.
  std::size_t attention_rank = 0;  ///< Of channel attention's weights; 0 without.
  bool has_statistics = false;     ///< Of deployment norms.
  bool has_scale_tensor = false;
  bool has_scale = false;
};
StageKeys stage_keys(const View& view);

/// The upsampler's i-th convolution.
struct UpsampleConv {
  std::string path;  ///< "upsample.blocks.0"
  std::string key;   ///< Where its weights are; the path, but for an alias.
  std::int64_t out = 0;
  std::int64_t in = 0;
  std::int64_t factor = 1;  ///< Of the shuffle behind it; 1 for none.
};

struct StageDimensions {
  std::int64_t channels = 0;
  std::int64_t embed_dim = 0;
  std::vector<std::int64_t> depths;
  std::int64_t hidden_dim = 0;
  std::int64_t large_kernel = 0;
  std::int64_t small_kernel = 0;  ///< 0 where fused and not noted.
  bool fused = true;
  bool layer_norm = false;
  bool has_statistics = false;
  std::int64_t attention_width = 0;   ///< Of channel attention's middle; 0 without.
  std::int64_t attention_kernel = 0;  ///< Of spatial attention; 0 without.
  std::vector<UpsampleConv> upsampler;
  std::int64_t last_width = 0;  ///< Channels that conv_last takes.
  double noted_norm_eps = 0;

  std::int64_t scale() const;
};

/// What a generation says of a file that has its keys.
struct StageGeneration {
  StageRules rules;
  std::span<const Variant> variants;
  std::string name;          ///< "G7d"
  std::string because = {};  ///< The evidence for it.
  bool certain = true;
  /// Where neither an option nor the file says another one; nothing for generations without.
  std::optional<Decided> res_scale = {};
  Decided norm_eps = {};  ///< Of deployment norms; counts only where they aren't folded.
  bool without_error_comp = false;
};

/// Describes and checks a state dict. Throws as recognise() does.
Network describe_stages(const View& view, const ReadOptions& options,
                        const StageGeneration& generation);

/// The rule by which later generations' presets have their res_scale: 0.2 up to embed_dim 64, 0.1
/// above.
Decided res_scale_of_presets(std::int64_t embed_dim);

/// The option or a fused checkpoint's note, where it names one of these generations.
std::optional<std::pair<std::string, std::string>> named_generation(
    const View& view, const ReadOptions& options, std::span<const char* const> names);

/// The network with these dimensions and facts, for a graph.
Network stage_network_of(const StageDimensions& dimensions, const StageRules& rules,
                         std::span<const Variant> variants, const std::string& generation);

/// As recognise() for a graph: `names` are the generations' of one row, the likeliest last; a graph
/// that says nothing of its generation counts as the last one.
std::optional<Network> recognise_stages(const Outline& outline, const NetworkInfo& hint,
                                        const StageRules& rules, std::span<const Variant> variants,
                                        std::span<const char* const> names);

}  // namespace aether2onnx::network
