/// @file
/// A generation is a published version of AetherNet. struct Generation has functions that recognise
/// files of a generation, and a function that lists the network's modules. Each generation has its
/// own source file, and a row in the table in recognise.cpp. Private to this folder.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "network/evidence.h"
#include "network/float_state_dict.h"
#include "network/network.h"

namespace aether2onnx::network {

/// A published size of the network, for example aether_small. Most layers of a network are in
/// blocks, which form groups. In a variant, all groups have the same number of blocks.
struct Variant {
  const char* name = "";
  std::int64_t embed_dim = 0;
  std::int64_t groups = 0;
  std::int64_t blocks = 0;  ///< Number of blocks in each group.
  std::int64_t hidden_dim = 0;
  std::int64_t large_kernel = 0;
  std::int64_t small_kernel = 0;
  /// Whether the variant has channel attention, and whether it has spatial attention. Unset if no
  /// network of the generation has this attention, or if the answer is unknown for this variant.
  std::optional<bool> channel_attention;
  std::optional<bool> spatial_attention;
};

/// A convolution of the upsampler, and the pixel shuffle that follows the convolution.
struct UpsampleConv {
  std::string key;          ///< The key of the weight is `key`.weight.
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
  std::int64_t small_kernel = 0;  ///< Kernel size; 0 if unknown (fused, and no note of `fuse`).
  double noted_norm_eps = 0;      ///< Epsilon in the note that `fuse` wrote; 0 without a note.
  bool fused = true;
  bool layer_norm = true;
  bool has_statistics = false;       ///< True if the file has running_mean and running_var.
  std::int64_t attention_width = 0;  ///< Middle channels of channel attention; 0 without attention.
  std::int64_t attention_kernel = 0;  ///< Kernel size of spatial attention; 0 without attention.
  std::vector<UpsampleConv> upsampler;
  std::int64_t last_width = 0;  ///< Input channels of conv_last.
};

/// Settings of a network that the tensors do not show, but on which its modules depend.
struct Settings {
  double res_scale = 1;
  double img_range = 1;
  double norm_eps = 0;  ///< Epsilon of norms with stored statistics; 0 if there are none.
  bool without_error_comp = false;
  bool without_temperature = false;  ///< True if gates ignore the temperatures in the file.
  DeploymentNorm::WhenFused norms_when_fused = DeploymentNorm::WhenFused::folded_with_statistics;
};

/// The generation of a file, the reason for the choice, and the defaults of this generation.
struct Decision {
  std::string name;     ///< For example "G7d".
  std::string because;  ///< What in the file or options shows the generation.
  bool certain = true;
  /// The default of res_scale (a factor of each block's output), used if no option and nothing in
  /// the file gives a value. Unset if the generation has no res_scale.
  std::optional<Decided> res_scale = {};
  /// The default epsilon of deployment norms (norms with stored mean and variance).
  Decided norm_eps = {1e-5, "the default of this generation"};
  Settings settings = {};
};

class NetworkWriter;

/// A row of the table of generations in recognise.cpp. The row describes one generation, or several
/// generations with the same keys.
struct Generation {
  std::span<const char* const> names;  ///< Names of the generations of this row.
  std::span<const Variant> variants;
  /// Returns whether the keys of the checkpoint are those of a generation in this row. Returns true
  /// also if some keys are missing or wrong, so that NetworkWriter::check_strictly() can report
  /// these keys.
  bool (*fits)(const FloatStateDict& file) = nullptr;
  /// Returns whether the file is probably of a generation in this row. is_likely() decides between
  /// rows if fits() returns true for several rows. Unless an option or a note in the file names the
  /// generation, recognise() uses the first row of the table for which fits() and is_likely()
  /// return true.
  bool (*is_likely)(const FloatStateDict& file) = nullptr;
  /// Chooses the generation of the file from `names`. Throws Error(unsupported) if the published
  /// PyTorch code cannot run the network in the file.
  Decision (*decide)(const FloatStateDict& file, const ReadOptions& options) = nullptr;
  /// Reads the network's dimensions from the shapes of the file's tensors. `what` is the network's
  /// name in error messages.
  Dimensions (*measure)(const FloatStateDict& file, const std::string& what) = nullptr;
  /// Adds the network's modules to `net`, in the order of the forward pass. Null if the published
  /// PyTorch code of the generation cannot run.
  void (*forward)(NetworkWriter& net) = nullptr;
  /// True for G1: the tensors show the generation and all settings except img_range. recognise()
  /// then reads only img_range from the dicts arch_config and metadata in the file, and does not
  /// compare these dicts with the tensors.
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

/// Returns all rows of the table of generations, in the order of publication.
std::span<const Generation* const> generations();

bool has_name(const Generation& generation, std::string_view name);

/// Returns a NetworkInfo with these dimensions. `name` is the generation's name. The model type is
/// the name of the variant in `variants` with these dimensions, or "custom" if there is none.
NetworkInfo facts_of(const Dimensions& dimensions, std::span<const Variant> variants,
                     std::string name);

}  // namespace aether2onnx::network
