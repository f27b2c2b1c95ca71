/// @file
/// What the generations with the keys stages.<i>.<j>.… share: their fingerprint, their dimensions,
/// and the parts of their forward passes. Private to this folder.
///
/// A block is a large-kernel depthwise convolution (trained as the sum of two), a normalization, a
/// gated feed-forward of three projections, optional channel and spatial attention, and a residual
/// addition. A stage is a group of blocks. A fusion layer joins the outputs of all stages.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "network/generation.h"
#include "network/network_writer.h"

namespace aether2onnx::network {

// --- which generation ---------------------------------------------------------------------------

/// The parts of the keys and shapes that tell the generations apart.
struct StageKeys {
  bool has_stages = false;
  bool plain = false;  ///< Has keys that only G5x has.
  /// Of the temperature. If there is none: 0 if there is num_batches_tracked, 1 otherwise.
  std::size_t temperature_rank = 1;
  std::int64_t embed_dim = 0;
  std::int64_t stages = 0;
  std::int64_t fusion_inputs = 0;  ///< Input channels of the fusion's convolution; 0 if unknown.
  std::size_t attention_rank = 0;  ///< Of channel attention's weights; 0 without.
  bool has_statistics = false;     ///< Of deployment norms.
  bool has_scale_tensor = false;
  bool has_scale = false;
};
StageKeys stage_keys(const FloatStateDict& file);

/// The generation that the option or the note of a fused checkpoint names.
struct NamedGeneration {
  std::string name;
  std::string because;
  bool certain = true;  ///< False if the note says that the generation was an assumption.
};
/// Returns nullopt if neither names one of `names`.
std::optional<NamedGeneration> named_generation(const FloatStateDict& file,
                                                const ReadOptions& options,
                                                std::span<const char* const> names);

/// The rule of the later generations' presets: 0.2 up to embed_dim 64, 0.1 above.
Decided res_scale_of_presets(std::int64_t embed_dim);

/// Throws Error(unsupported) if embed_dim is no multiple of the number of stages. Then the
/// projections of the generations G4 and G5.0 do not add up to embed_dim channels.
void require_even_stages(const StageKeys& keys, const char* generation);

// --- dimensions ---------------------------------------------------------------------------------

Dimensions measure_stages(const FloatStateDict& file, const std::string& what);

/// The places of the upsampler's i-th convolution, the usual one first.
using UpsamplePaths = std::vector<std::string> (*)(std::size_t i);
/// The same for an upsampler with other keys and at least `least` convolutions.
Dimensions measure_stages(const FloatStateDict& file, const std::string& what, UpsamplePaths paths,
                          std::size_t least);

// --- parts of the forward pass, in their order
// ----------------------------------------------------

/// How the blocks of a generation differ from the blocks of G7.
struct BlockKind {
  bool gelu = false;                 ///< The gate's activation is GELU; SiLU otherwise.
  bool temperature_divides = false;  ///< And has rank 0. It multiplies and has rank 1 otherwise.
  bool linear_attention = false;     ///< Channel attention of Linear; 1 x 1 convolutions otherwise.
  bool attention_bias = false;
  bool branch_biases = false;  ///< lk_conv.bias instead of lk_bias.
  bool vector_norms = false;   ///< Deployment norms have the shape (C), not (1, C, 1, 1).
};

/// The parameter `mean`, after the buffers that the classes register before it.
ParameterId image_mean(NetworkWriter& net);
/// conv_first((image - mean) * img_range)
ValueId enter(NetworkWriter& net, ParameterId mean);
/// The output of each stage.
std::vector<ValueId> run_stages(NetworkWriter& net, const BlockKind& kind, ValueId shallow);
/// The projection of each stage's output. They share embed_dim channels. If `uneven`, the first
/// projections have one channel more if the division leaves a remainder.
std::vector<ValueId> fusion_convs(NetworkWriter& net, const std::vector<ValueId>& outputs,
                                  bool uneven);
/// fusion_conv(concat(parts) + error_comp), with so many channels in the concatenation.
ValueId compensate_and_fuse(NetworkWriter& net, const std::vector<ValueId>& parts,
                            std::int64_t channels);
/// conv(concat(parts)) + error_comp
ValueId fuse_and_compensate(NetworkWriter& net, const std::vector<ValueId>& parts,
                            const char* conv = "fusion_conv");
/// A block's normalization, or the body's.
ValueId norm(NetworkWriter& net, const BlockKind& kind, const std::string& path, ValueId input);
/// x = fused + shallow; conv_after_body(norm(x)) + x
ValueId body_with_inner_norm(NetworkWriter& net, const BlockKind& kind, ValueId fused,
                             ValueId shallow);
/// conv_before_upsample.0 to `width` channels, LeakyReLU, and upsample.blocks.
ValueId upsample(NetworkWriter& net, std::int64_t width, ValueId body);
/// conv_last(features) / img_range + mean
void leave(NetworkWriter& net, ParameterId mean, ValueId features);

}  // namespace aether2onnx::network
