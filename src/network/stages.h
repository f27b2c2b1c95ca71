/// @file
/// Code that all generations with the keys stages.<i>.<j>.… share: it reads their keys and
/// dimensions, and writes the parts of their forward passes. Private to this folder.
///
/// A block is a large-kernel depthwise convolution (trained as the sum of two convolutions), a
/// normalization, a gated feed-forward network of three projections (1 x 1 convolutions), optional
/// channel and spatial attention, and a residual addition. A stage is a group of blocks. A fusion
/// layer joins the outputs of all stages.
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

/// The properties of keys and shapes in which the generations differ.
struct StageKeys {
  bool has_stages = false;
  bool plain = false;  ///< Has keys that only G5x has.
  /// Rank of the temperatures. Without temperatures: 0 if num_batches_tracked exists, 1 otherwise.
  std::size_t temperature_rank = 1;
  std::int64_t embed_dim = 0;
  std::int64_t stages = 0;
  std::int64_t fusion_inputs = 0;  ///< Input channels of the fusion's convolution; 0 if unknown.
  std::size_t attention_rank = 0;  ///< Rank of channel attention's weights, or 0.
  bool has_statistics = false;     ///< Deployment norms have statistics.
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
/// Returns nullopt if neither the option nor the note is one of `names`.
std::optional<NamedGeneration> named_generation(const FloatStateDict& file,
                                                const ReadOptions& options,
                                                std::span<const char* const> names);

/// Returns the res_scale of the variants of G5x, G6 and G7: 0.2 up to embed_dim 64, 0.1 above.
Decided res_scale_of_presets(std::int64_t embed_dim);

/// For G4 and G5.0. Throws Error(unsupported) if embed_dim is no multiple of the number of stages,
/// because the projections of the stages then do not add up to embed_dim channels.
void require_even_stages(const StageKeys& keys, const char* generation);

// --- dimensions ---------------------------------------------------------------------------------

Dimensions measure_stages(const FloatStateDict& file, const std::string& what);

/// Returns the possible paths of the upsampler's i-th convolution. The usual path comes first.
using UpsamplePaths = std::vector<std::string> (*)(std::size_t i);
/// As above, for an upsampler with the paths `paths` and at least `least` convolutions.
Dimensions measure_stages(const FloatStateDict& file, const std::string& what, UpsamplePaths paths,
                          std::size_t least);

// --- parts of the forward pass, in order --------------------------------------------------------

/// How the blocks of a generation differ from the blocks of G7.
struct BlockKind {
  bool gelu = false;                 ///< The gate's activation is GELU; SiLU otherwise.
  bool temperature_divides = false;  ///< True: divides, rank 0. False: multiplies, rank 1.
  bool linear_attention = false;     ///< Channel attention has Linear layers, not convolutions.
  bool attention_bias = false;
  bool branch_biases = false;  ///< Biases are lk_conv.bias, sk_conv.bias, not lk_bias, sk_bias.
  bool vector_norms = false;   ///< Deployment norms have the shape (C), not (1, C, 1, 1).
};

/// Adds the buffers that the PyTorch classes register before `mean`, then the parameter `mean`.
ParameterId image_mean(NetworkWriter& net);
/// Returns conv_first((image - mean) * img_range).
ValueId enter(NetworkWriter& net, ParameterId mean);
/// Adds all stages. Returns the output of each stage.
std::vector<ValueId> run_stages(NetworkWriter& net, const BlockKind& kind, ValueId shallow);
/// Returns a projection of each stage's output. The projections' channels add up to embed_dim. If
/// `uneven` and the division leaves a remainder, the first projections have one channel more.
std::vector<ValueId> fusion_convs(NetworkWriter& net, const std::vector<ValueId>& outputs,
                                  bool uneven);
/// Returns fusion_conv(concat(parts) + error_comp). concat(parts) has `channels` channels.
ValueId compensate_and_fuse(NetworkWriter& net, const std::vector<ValueId>& parts,
                            std::int64_t channels);
/// Returns conv(concat(parts)) + error_comp.
ValueId fuse_and_compensate(NetworkWriter& net, const std::vector<ValueId>& parts,
                            const char* conv = "fusion_conv");
/// Adds the normalization of a block or of the body.
ValueId norm(NetworkWriter& net, const BlockKind& kind, const std::string& path, ValueId input);
/// Returns conv_after_body(norm(x)) + x, where x = fused + shallow.
ValueId body_with_inner_norm(NetworkWriter& net, const BlockKind& kind, ValueId fused,
                             ValueId shallow);
/// Adds conv_before_upsample.0 with `width` output channels, LeakyReLU, and upsample.blocks.
ValueId upsample(NetworkWriter& net, std::int64_t width, ValueId body);
/// Adds conv_last(features) / img_range + mean, which is the network's output.
void leave(NetworkWriter& net, ParameterId mean, ValueId features);

}  // namespace aether2onnx::network
