/// @file
/// A generation (a published version) of AetherNet: its recognition rules and its modules.
/// Each generation has its own file and a row in recognise.cpp's table. Private to this folder.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "network/evidence.h"
#include "network/float_state_dict.h"
#include "network/network.h"

namespace aether2onnx::network {

/// A named size of a network. All groups of blocks have the same number of blocks.
struct Variant {
  const char* name = "";
  std::int64_t embed_dim = 0;
  std::int64_t groups = 0;
  std::int64_t blocks = 0;  ///< Number of blocks in each group.
  std::int64_t hidden_dim = 0;
  std::int64_t large_kernel = 0;
  std::int64_t small_kernel = 0;
  /// Unset if the generation has no attention of this kind, or if its presence is unknown.
  std::optional<bool> channel_attention;
  std::optional<bool> spatial_attention;
};

/// A convolution of the upsampler and the pixel shuffle after the convolution.
struct UpsampleConv {
  std::string key;          ///< The weight's key is `key`.weight.
  std::int64_t width = 0;   ///< Channels after the pixel shuffle.
  std::int64_t factor = 1;  ///< Factor of the pixel shuffle; 1 without a pixel shuffle.
};

/// The dimensions of a network, read from the shapes of its tensors.
struct Dimensions {
  std::int64_t channels = 0;  ///< Channels of the image.
  std::int64_t embed_dim = 0;
  std::vector<std::int64_t> depths;  ///< Number of blocks in each group.
  std::int64_t hidden_dim = 0;
  std::int64_t large_kernel = 0;
  std::int64_t small_kernel = 0;  ///< 0 if the checkpoint is fused and no note has the size.
  double noted_norm_eps = 0;      ///< Epsilon in the note of a fused checkpoint, or 0.
  bool fused = true;
  bool layer_norm = true;
  bool has_statistics = false;        ///< Deployment norms have statistics.
  std::int64_t attention_width = 0;   ///< Middle channels of channel attention; 0 without it.
  std::int64_t attention_kernel = 0;  ///< Kernel size of spatial attention; 0 without it.
  std::vector<UpsampleConv> upsampler;
  std::int64_t last_width = 0;  ///< Input channels of conv_last.
};

/// Facts that the tensors do not show, but that the modules depend on.
struct Settings {
  double res_scale = 1;
  double img_range = 1;
  double norm_eps = 0;  ///< Of deployment norms; 0 for LayerNorm and for folded statistics.
  bool without_error_comp = false;
  bool without_temperature = false;  ///< The file has temperatures that the gates do not use.
  DeploymentNorm::WhenFused norms_when_fused = DeploymentNorm::WhenFused::folded_with_statistics;
};

/// The generation of a file, and this generation's defaults.
struct Decision {
  std::string name;     ///< "G7d"
  std::string because;  ///< The evidence for `name`.
  bool certain = true;
  /// The default of res_scale, used if no option and nothing in the file gives a value. Unset if
  /// the generation has no res_scale (a factor of each block's output).
  std::optional<Decided> res_scale = {};
  /// The default epsilon of deployment norms with statistics.
  Decided norm_eps = {1e-5, "the value of this generation"};
  Settings settings = {};
};

class NetworkWriter;

/// One row of the table in recognise.cpp.
struct Generation {
  std::span<const char* const> names;  ///< All these generations have the same keys.
  std::span<const Variant> variants;
  /// Returns whether the keys belong to this row. Returns true also if some keys are missing or
  /// wrong, so that NetworkWriter::check_strictly() can report these keys.
  bool (*fits)(const FloatStateDict& file) = nullptr;
  /// Returns whether the evidence supports this row. Chooses between rows that all fit.
  bool (*is_likely)(const FloatStateDict& file) = nullptr;
  /// Chooses the generation. Throws Error(unsupported) if no network of this generation can run.
  Decision (*decide)(const FloatStateDict& file, const ReadOptions& options) = nullptr;
  /// Reads the dimensions. `what` is the network's name in error messages.
  Dimensions (*measure)(const FloatStateDict& file, const std::string& what) = nullptr;
  /// Writes the modules in the order of the forward pass. Null if the generation cannot run.
  void (*forward)(NetworkWriter& net) = nullptr;
  /// True if the tensors decide all facts, so that files of this generation hold no other facts.
  bool keys_tell_all = false;
};

extern const Generation kGeneration1;
extern const Generation kGeneration2;
extern const Generation kGeneration3;
extern const Generation kGeneration4;
extern const Generation kGeneration5First;
extern const Generation kGeneration5;
extern const Generation kGeneration5x;
extern const Generation kGeneration6;
extern const Generation kGeneration7;

/// Returns all rows, in the order of publication.
std::span<const Generation* const> generations();

bool has_name(const Generation& generation, std::string_view name);

/// Returns the facts that follow from the dimensions. `name` is the generation's name.
NetworkInfo facts_of(const Dimensions& dimensions, std::span<const Variant> variants,
                     std::string name);

}  // namespace aether2onnx::network
