/// @file
/// How to read a checkpoint, what the caller expects of it, and the description of its network.
///
/// Everything here is plain data. Copies are independent of the files and of each other.
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

/// How to read a checkpoint. Each option decides a question that the file leaves open or answers
/// wrongly.
struct ReadOptions {
  /// The location of the state dict in the file: keys with '/' between them, "params" or
  /// "model/state_dict"; "/" for the root. If the location has no state dict, the file is refused
  /// and the error lists the possible locations. Unset: the usual keys are tried, an averaged copy
  /// (EMA) first.
  std::optional<std::string> params_key;
  /// The generation (version of AetherNet's design), "G1" to "G7d", for files whose keys and shapes
  /// fit several generations. docs/support.md lists all generations. If the keys belong to another
  /// generation, the file is refused. Unset: the evidence in the file decides.
  std::optional<std::string> generation;
  /// The factor of each block's output, above 0. Only some generations have this factor. Unset: the
  /// value in the file, or else the generation's default.
  std::optional<double> res_scale;
  /// The epsilon of normalizations with stored statistics, above 0. Not allowed if the statistics
  /// are already folded into weight and bias. Unset: the generation's value.
  std::optional<double> norm_eps;
  /// The range of the network's values, above 0. Unset: the value in the file, or else 1.
  std::optional<double> img_range;
  /// Whether to read a network that was converted to int8. Its weights are dequantized to float. If
  /// false, a file with such a network is refused.
  bool dequantize = false;
};

/// What the caller expects of the checkpoint. A checkpoint that differs is refused, and the error
/// names the expected and the found value. An unset member accepts any checkpoint.
struct Expectations {
  /// "aether_mobile", "aether_tiny", "aether_small", "aether_medium", "aether_large", "aether_pro"
  /// or "aether_extreme".
  std::optional<std::string> model_type;
  std::optional<std::int64_t> scale;           ///< Upscale factor.
  std::optional<std::int64_t> input_channels;  ///< Channels of the input image.
  /// The user's text for `input_channels`, for messages: "{option:shape} 1x1x64x64". If empty,
  /// messages name the option input_channels.
  std::string input_channels_given = {};
};

/// Throws Error(usage) if a value in `options` is out of range. The error names the option.
AETHER2ONNX_API void validate(const ReadOptions& options);

/// How one question about the network was decided.
struct Evidence {
  std::string what;     ///< The question: "generation", "res_scale", "norm_eps", "img_range", …
  std::string value;    ///< The answer: "G7d", "0.1".
  std::string because;  ///< The reason, in a few words.
  /// True if the file or an option gives the answer, or if no other answer is known. False if the
  /// answer is an assumption.
  bool certain = true;
  /// True if the file or an option states the answer. False for a documented default.
  bool stated = true;
};

/// The kind of normalization in the network.
enum class NormType {
  layernorm,   ///< LayerNorm over the channels of each pixel.
  deployment,  ///< A factor and an offset for each channel, from statistics of the training.
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

/// Describes a network. Every network has the facts in the other members; `features` and `numbers`
/// hold the facts that only some generations have.
struct NetworkInfo {
  std::string architecture;  ///< "AetherNet".
  std::string generation;    ///< "G1" to "G7d"; docs/support.md lists them.
  std::string model_type;    ///< A named variant, or "custom".
  std::int64_t scale = 0;
  std::int64_t input_channels = 0;
  std::int64_t embed_dim = 0;
  std::vector<std::int64_t> depths;  ///< Blocks in each group of blocks.
  std::int64_t hidden_dim = 0;
  std::int64_t large_kernel = 0;
  std::int64_t small_kernel = 0;  ///< 0 if unknown: a fused checkpoint may not contain it.
  bool fused = false;             ///< Whether the checkpoint was already fused.
  NormType norm_type = NormType::layernorm;
  Quantization quantization = Quantization::none;

  /// The optional parts that the network has: "channel_attention", "spatial_attention".
  std::set<std::string, std::less<>> features;
  /// Numbers of the network, by name. A missing number has its usual value.
  ///  - "res_scale": the factor of each block's output, usually 1;
  ///  - "img_range": the range of the network's values, usually 1;
  ///  - "norm_eps": the epsilon of deployment norms with statistics;
  ///  - "folded_norm_eps": the epsilon of deployment norms whose statistics are already folded into
  ///    weight and bias, if the checkpoint contains this epsilon.
  std::map<std::string, double, std::less<>> numbers;

  /// How the questions about the network were decided.
  std::vector<Evidence> evidence;

  bool has(std::string_view feature) const { return features.contains(feature); }
  /// Returns the number `name` in `numbers`, or `usual` if `numbers` does not contain it.
  double number(std::string_view name, double usual) const {
    const auto found = numbers.find(name);
    return found == numbers.end() ? usual : found->second;
  }
};

}  // namespace aether2onnx
