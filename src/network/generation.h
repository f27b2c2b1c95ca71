/// @file
/// A generation of AetherNet: how it is recognised, and what its modules are. Each generation is
/// one file, which fills in one row of the table in recognise.cpp. Private to this folder.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "network/evidence.h"
#include "network/float_state_dict.h"
#include "network/network.h"

namespace aether2onnx::network {

/// A named variant. All its groups have the same number of blocks.
struct Variant {
  const char* name = "";
  std::int64_t embed_dim = 0;
  std::int64_t groups = 0;
  std::int64_t blocks = 0;  ///< In each group.
  std::int64_t hidden_dim = 0;
  std::int64_t large_kernel = 0;
  std::int64_t small_kernel = 0;
  /// Unset if the generation has no such attention, or its presence is unknown.
  std::optional<bool> channel_attention;
  std::optional<bool> spatial_attention;
};

/// A convolution of the upsampler and the pixel shuffle behind it.
struct UpsampleConv {
  std::string key;          ///< The weight is `key`.weight.
  std::int64_t width = 0;   ///< Channels behind the pixel shuffle.
  std::int64_t factor = 1;  ///< Of the pixel shuffle; 1 if there is none.
};

/// What the shapes of the tensors tell.
struct Dimensions {
  std::int64_t channels = 0;  ///< Of the image.
  std::int64_t embed_dim = 0;
  std::vector<std::int64_t> depths;  ///< Blocks of each group.
  std::int64_t hidden_dim = 0;
  std::int64_t large_kernel = 0;
  std::int64_t small_kernel = 0;  ///< 0 if the checkpoint is fused and does not note it.
  double noted_norm_eps = 0;      ///< As `small_kernel`.
  bool fused = true;
  bool layer_norm = true;
  bool has_statistics = false;        ///< Of deployment norms.
  std::int64_t attention_width = 0;   ///< Middle of the channel attention; 0 without.
  std::int64_t attention_kernel = 0;  ///< Of the spatial attention; 0 without.
  std::vector<UpsampleConv> upsampler;
  std::int64_t last_width = 0;  ///< Input channels of conv_last.
};

/// What the tensors do not tell, and the modules depend on.
struct Settings {
  double res_scale = 1;
  double img_range = 1;
  double norm_eps = 0;  ///< 0 for LayerNorm and for folded statistics.
  bool without_error_comp = false;
  bool without_temperature = false;  ///< The gates' temperatures are in the file, without use.
  DeploymentNorm::WhenFused norms_when_fused = DeploymentNorm::WhenFused::folded_with_statistics;
};

/// Which generation of the row a file is, and what its rules say of the rest.
struct Decision {
  std::string name;     ///< "G7d"
  std::string because;  ///< The evidence for it.
  bool certain = true;
  /// Unless an option or the file gives another value. Unset if the generation has no res_scale.
  std::optional<Decided> res_scale = {};
  Decided norm_eps = {1e-5, "the generation's"};  ///< Of deployment norms with statistics.
  Settings settings = {};
};

class NetworkWriter;

/// One row of the table.
struct Generation {
  std::span<const char* const> names;  ///< All of them have the same keys.
  std::span<const Variant> variants;
  /// Whether the keys belong to this generation. True also if keys are missing or wrong, so that
  /// the check of all keys can name them.
  bool (*fits)(const FloatStateDict& file) = nullptr;
  /// Which one the evidence supports, if several generations fit.
  bool (*is_likely)(const FloatStateDict& file) = nullptr;
  /// Throws Error(unsupported) if no such network can run.
  Decision (*decide)(const FloatStateDict& file, const ReadOptions& options) = nullptr;
  /// `what` names the network in errors.
  Dimensions (*measure)(const FloatStateDict& file, const std::string& what) = nullptr;
  /// Writes the modules in the order of the forward pass. Null if no such network can run.
  void (*forward)(NetworkWriter& net) = nullptr;
  /// Files of this generation hold no facts beside the tensors, and need none.
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

/// All rows, in the order of publication.
std::span<const Generation* const> generations();

bool has_name(const Generation& generation, std::string_view name);

/// The facts that follow from the dimensions. `name` is the generation's.
NetworkInfo facts_of(const Dimensions& dimensions, std::span<const Variant> variants,
                     std::string name);

}  // namespace aether2onnx::network
