/// @file
/// Types for the network in a checkpoint. ReadOptions says how to read the checkpoint, Expectations
/// says which network the caller expects, and NetworkInfo describes the network in the file.
///
/// All types here are plain data. Copies are independent of the files and of each other.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <aether2onnx/api.h>
#include <aether2onnx/context.h>

namespace aether2onnx {

/// Options for reading a checkpoint. Most options give a value that the file does not contain, or
/// contains wrongly.
struct ReadOptions {
  /// The keys that lead to the state dict in the file, with '/' between the keys: "params" or
  /// "model/state_dict"; "/" for the root. If there is no state dict, the file is refused and the
  /// error lists the possible values. Unset: the usual keys are tried, first the keys of weights
  /// that training has averaged (EMA).
  std::optional<std::string> params_key;
  /// The generation (version of AetherNet's design), "G1" to "G7d", for files whose keys and shapes
  /// fit several generations. docs/support.md lists all generations. If the file's keys belong to
  /// another generation, the file is refused. Unset: determined from the file's content.
  std::optional<std::string> generation;
  /// The factor, above 0, of each block's residual branch. Only some generations of AetherNet have
  /// this factor. Unset: the value in the file, or else the default of the network's generation.
  std::optional<double> res_scale;
  /// The epsilon, above 0, of normalizations with stored mean and variance. Not allowed if the file
  /// has mean and variance already folded into weight and bias. Unset: the value of the network's
  /// generation.
  std::optional<double> norm_eps;
  /// The factor, above 0, by which the network multiplies the pixel values (0 to 1) at its input.
  /// Only networks of the generations G7a to G7d divide the pixel values by this factor instead.
  /// Unset: the value in the file, or else 1.
  std::optional<double> img_range;
  /// Whether to accept a network that was converted to int8. Reading dequantizes the weights to
  /// float. If false, a file with an int8 network is refused.
  bool dequantize = false;
};

/// What the caller expects of the network in the checkpoint. If the network differs, the file is
/// refused; the error names the expected and the found value. An unset member accepts any value.
struct Expectations {
  /// The network's variant: "aether_mobile", "aether_tiny", "aether_small", "aether_medium",
  /// "aether_large", "aether_pro" or "aether_extreme".
  std::optional<std::string> model_type;
  std::optional<std::int64_t> scale;           ///< Upscale factor.
  std::optional<std::int64_t> input_channels;  ///< Channels of the input image.
  /// The text by which error messages name the source of `input_channels`. If empty, messages name
  /// the option input_channels. Set this text if the caller took the number of channels from
  /// another option, for example "{option:shape} 1x1x64x64", whose second number is the number of
  /// channels. spell_options() replaces {option:…} by the caller's spelling.
  std::string input_channels_given = {};
};

/// Throws Error(usage) if a value in `options` is out of range. The error names the option.
AETHER2ONNX_API void validate(const ReadOptions& options);

/// How one setting of the network was determined.
struct Evidence {
  std::string what;     ///< The setting: "generation", "res_scale", "norm_eps", "img_range", …
  std::string value;    ///< The setting's value: "G7d", "0.1".
  std::string because;  ///< The reason for the value, in a few words.
  /// True if the file or an option gives the value, or if all published networks have this value.
  /// False if the value is an assumption.
  bool certain = true;
  /// True if the file or an option states the value. False if the value is a documented default.
  bool stated = true;
};

/// The kind of normalization in the network.
enum class NormType {
  layernorm,   ///< LayerNorm over the channels of each pixel.
  deployment,  ///< Normalization with mean and variance stored during training.
};

/// Returns "layernorm" or "deployment".
AETHER2ONNX_API std::string_view to_string(NormType type) noexcept;

/// How the checkpoint was quantized.
enum class Quantization {
  none,
  qat,   ///< Saved during quantization-aware training, with float weights.
  int8,  ///< Converted to int8. The weights are dequantized when they are read.
};

/// Returns "none", "qat" or "int8".
AETHER2ONNX_API std::string_view to_string(Quantization quantization) noexcept;

/// Describes a network. `features` and `numbers` hold the properties that only some generations
/// have. All other members are properties of every network.
struct NetworkInfo {
  std::string architecture;  ///< "AetherNet".
  std::string generation;    ///< "G1" to "G7d"; docs/support.md lists all.
  std::string model_type;    ///< A named variant, or "custom".
  std::int64_t scale = 0;
  std::int64_t input_channels = 0;
  std::int64_t embed_dim = 0;
  std::vector<std::int64_t> depths;  ///< The number of blocks in each group of blocks.
  std::int64_t hidden_dim = 0;
  std::int64_t large_kernel = 0;
  std::int64_t small_kernel = 0;  ///< 0 if unknown, because a fused file may not show it.
  bool fused = false;             ///< Whether the checkpoint was already fused.
  NormType norm_type = NormType::layernorm;
  Quantization quantization = Quantization::none;

  /// The optional modules that the network has: "channel_attention", "spatial_attention".
  std::set<std::string, std::less<>> features;
  /// Settings of the network whose values are numbers, by name:
  ///  - "res_scale": the factor of each block's residual branch; 1 if missing;
  ///  - "img_range": the factor that ReadOptions::img_range describes; 1 if missing;
  ///  - "norm_eps": the epsilon of NormType::deployment, if mean and variance are not yet folded
  ///    into weight and bias;
  ///  - "folded_norm_eps": the epsilon of NormType::deployment, if mean and variance are already
  ///    folded into weight and bias, and if the checkpoint contains this epsilon.
  std::map<std::string, double, std::less<>> numbers;

  /// The settings that the file's keys and shapes do not show, and how each setting was determined.
  std::vector<Evidence> evidence;

  bool has(std::string_view feature) const { return features.contains(feature); }
  /// Returns the number `name` in `numbers`, or `usual` if `numbers` does not contain `name`.
  double number(std::string_view name, double usual) const {
    const auto found = numbers.find(name);
    return found == numbers.end() ? usual : found->second;
  }
};

}  // namespace aether2onnx
