/// @file
/// What a checkpoint is: how to read it, and which network it holds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <aether2onnx/api.h>
#include <aether2onnx/context.h>

namespace aether2onnx {

/// How to read a checkpoint, where the file itself doesn't say or says it wrong.
struct ReadOptions {
  /// Where in the file the state dict is: keys with '/' between them, "params" or
  /// "model/state_dict"; "/" for the root. If set and nothing is there, it is refused with what
  /// is on offer named. Unset: the usual keys are tried, an averaged copy (EMA) first.
  std::optional<std::string> params_key;
  /// The generation, "G1" to "G7d" (docs/support.md lists them), for files whose keys and shapes
  /// several have. If set and the keys are another generation's, it is refused with both named.
  /// Unset: by the evidence in the file.
  std::optional<std::string> generation;
  /// The factor of what each block adds, above 0; only for generations that have one. Unset: as the
  /// file says, or else the generation's rule.
  std::optional<double> res_scale;
  /// The epsilon of normalizations with stored statistics, above 0; only where they aren't folded
  /// into weight and bias yet. Unset: the generation's.
  std::optional<double> norm_eps;
  /// The range of the network's values, above 0. Unset: as the file says, or else 1.
  std::optional<double> img_range;
  /// Whether the weights of a network that was converted to int8 are taken as the float numbers
  /// that they stand for. Unset, such a file is refused.
  bool dequantize = false;
};

/// What the checkpoint is expected to be, and what to call it.
struct CheckpointOptions : ReadOptions {
  /// "aether_mobile", "aether_tiny", "aether_small", "aether_medium", "aether_large", "aether_pro"
  /// or "aether_extreme". If set and the checkpoint is another variant, it is refused with both
  /// named. Unset: read from the checkpoint.
  std::optional<std::string> model_type;
  /// Upscale factor. If set and the checkpoint's is another, it is refused with both named.
  std::optional<std::int64_t> scale;
  /// Channels of the input image. If set and the checkpoint's is another, it is refused.
  std::optional<std::int64_t> input_channels;

  /// Name of the source in reports and metadata; convert_file() and fuse_file() fill in the file
  /// name (without its folder) where it is empty.
  std::string source_name;
};

/// Throws Error(usage), naming the option as the program spells it, where `options` has a value
/// that is out of range.
AETHER2ONNX_API void validate(const ReadOptions& options);

/// How one question about the network was decided.
struct Evidence {
  std::string what;     ///< "generation", "res_scale", "norm_eps", "img_range", …
  std::string value;    ///< What it was decided to be, "G7d" or "0.1".
  std::string because;  ///< By what, in a few words.
  /// Whether the file (or an option) says so; else it is the documented preference.
  bool certain = true;
};

}  // namespace aether2onnx
