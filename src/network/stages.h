/// @file
/// The shared code of all generations with the keys stages.<i>.<j>.…: it reads their keys and
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

// --- recognising the generation -----------------------------------------------------------------

/// The properties of a checkpoint's keys and shapes in which the generations differ.
struct StageKeys {
  bool has_stages = false;
  bool plain = false;  ///< True if the file has keys that only G5x has.
  /// Rank of each ffn.temperature. If the file has no ffn.temperature, the value is a guess: 0 if a
  /// block has norm.num_batches_tracked (as in G3 and G4, whose temperatures have rank 0), else 1.
  std::size_t temperature_rank = 1;
  std::int64_t embed_dim = 0;
  std::int64_t stages = 0;
  std::int64_t fusion_inputs = 0;  ///< Input channels of the fusion layer; 0 if unknown.
  std::size_t attention_rank = 0;  ///< Rank of channel attention's weights; 0 without them.
  bool has_statistics = false;     ///< True if blocks have running_mean or running_var.
  bool has_scale_tensor = false;
  bool has_scale = false;
};
StageKeys stage_keys(const FloatStateDict& file);

/// A generation that is named by the option `generation`, or by the note that `fuse` wrote into a
/// fused checkpoint.
struct NamedGeneration {
  std::string name;
  std::string because;
  bool certain = true;  ///< False if the note says that the generation was an assumption.
};
/// Returns the generation in the option `generation`, or else the generation in the note of `fuse`.
/// Ignores generations that are not in `names`. Returns nullopt if no generation remains.
std::optional<NamedGeneration> named_generation(const FloatStateDict& file,
                                                const ReadOptions& options,
                                                std::span<const char* const> names);

/// Returns the usual res_scale (the factor of each block's output) in the generations G5x, G6 and
/// G7 of AetherNet: 0.2 if embed_dim is at most 64, otherwise 0.1.
Decided res_scale_of_presets(std::int64_t embed_dim);

/// Throws Error(unsupported) if embed_dim is not a multiple of the number of stages (groups of
/// blocks). In G4 and G5.0, a 1 x 1 convolution reduces each stage's output to embed_dim / stages
/// channels, and the fusion layer needs exactly embed_dim channels in total.
void require_even_stages(const StageKeys& keys, const char* generation);

// --- reading the dimensions ---------------------------------------------------------------------

/// Reads the network's dimensions from the shapes in the file. Error messages call the network
/// `what`.
Dimensions measure_stages(const FloatStateDict& file, const std::string& what);

/// Function that returns the possible paths of the upsampler's convolution i, the usual path first.
using UpsamplePaths = std::vector<std::string> (*)(std::size_t i);
/// Reads the network's dimensions from the shapes in the file. `paths` returns the possible paths
/// of the upsampler's convolutions. The upsampler has at least `least` convolutions. Error messages
/// call the network `what`.
Dimensions measure_stages(const FloatStateDict& file, const std::string& what, UpsamplePaths paths,
                          std::size_t least);

// --- parts of the forward pass, in order --------------------------------------------------------

/// How the blocks of a generation differ from the blocks of G7, for which all values are false.
struct BlockKind {
  bool gelu = false;                 ///< The activation of the gate is GELU, otherwise SiLU.
  bool temperature_divides = false;  ///< True: divides the gate, rank 0. False: multiplies, rank 1.
  bool linear_attention = false;     ///< Channel attention has Linear layers, not convolutions.
  bool attention_bias = false;
  bool branch_biases = false;  ///< Biases are lk_conv.bias, sk_conv.bias, not lk_bias, sk_bias.
  bool vector_norms = false;   ///< Deployment norms have the shape (C), not (1, C, 1, 1).
};

/// Adds the buffers that the PyTorch classes register before `mean`, then the weight `mean`. Keeps
/// this order, because fused checkpoints list buffers and weights in the PyTorch class's order.
ParameterId image_mean(NetworkWriter& net);
/// Adds conv_first((image - mean) * img_range) to `net`, and returns the output. The factor
/// img_range scales pixel values to the network's numbers.
ValueId enter(NetworkWriter& net, ParameterId mean);
/// Adds the blocks of all stages (groups of blocks). The first block reads `shallow`, the output of
/// conv_first. Returns the output of each stage.
std::vector<ValueId> run_stages(NetworkWriter& net, const BlockKind& kind, ValueId shallow);
/// Adds a projection (1 x 1 convolution) of each stage's output, and returns all projections. The
/// channels of the projections add up to embed_dim. If embed_dim is not a multiple of the number of
/// stages and `uneven` is true, the first projections have one channel more than the last.
std::vector<ValueId> fusion_convs(NetworkWriter& net, const std::vector<ValueId>& outputs,
                                  bool uneven);
/// Adds the fusion layer fusion_conv(concat(parts) + error_comp), and returns its output. `parts`
/// are the outputs of the stages or of their projections, with `channels` channels in total. The
/// weight error_comp has one number for each of these channels.
ValueId compensate_and_fuse(NetworkWriter& net, const std::vector<ValueId>& parts,
                            std::int64_t channels);
/// Adds the fusion layer conv(concat(parts)) + error_comp, and returns its output. `parts` are the
/// outputs of the stages' projections. The weight error_comp has one number for each channel.
ValueId fuse_and_compensate(NetworkWriter& net, const std::vector<ValueId>& parts,
                            const char* conv = "fusion_conv");
/// Adds the normalization with the module path `path`. Each block has a normalization, and the last
/// normalization of the network comes after the fusion layer.
ValueId norm(NetworkWriter& net, const BlockKind& kind, const std::string& path, ValueId input);
/// Adds conv_after_body(norm(x)) + x, where x = fused + shallow, and returns the output. `fused` is
/// the output of the fusion layer. `shallow` is the output of conv_first.
ValueId body_with_inner_norm(NetworkWriter& net, const BlockKind& kind, ValueId fused,
                             ValueId shallow);
/// Adds conv_before_upsample.0 with `width` output channels, a LeakyReLU, and the convolutions and
/// pixel shuffles upsample.blocks. Returns the output of the last layer.
ValueId upsample(NetworkWriter& net, std::int64_t width, ValueId body);
/// Adds conv_last(features) / img_range + mean, which is the network's output.
void leave(NetworkWriter& net, ParameterId mean, ValueId features);

}  // namespace aether2onnx::network
