/// @file
/// Fusion alone: a checkpoint in, a fused checkpoint out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <aether2onnx/convert.h>

namespace aether2onnx {

/// Element type of the weights in a fused checkpoint.
enum class WeightType {
  same,  ///< As each weight is stored in the source; a sum as PyTorch's sum of the stored types.
  float32,
  float16,
  bfloat16,
  float64,
};

/// File formats of a fused checkpoint.
enum class CheckpointFormat {
  pth,  ///< PyTorch's zip container with a bare state dict, for torch.load(weights_only=True).
  safetensors,  ///< With "format": "pt" in its metadata.
};

/// "same", "float32", …; "pth" or "safetensors".
AETHER2ONNX_API std::string_view to_string(WeightType type) noexcept;
AETHER2ONNX_API std::string_view to_string(CheckpointFormat format) noexcept;

/// How to write the fused checkpoint.
struct FuseOptions : CheckpointOptions {
  /// A sum is made in float64 and rounded once, to float32, or to float64 where a tensor in it is
  /// stored so; this is the number that the network fused in PyTorch has, and what convert() begins
  /// with too. From there, as every stored weight, it is rounded to the type asked for, to nearest
  /// even. A value beyond that type's range is an error.
  WeightType dtype = WeightType::same;
  /// Unset: safetensors where the output's name ends so, pth elsewhere.
  std::optional<CheckpointFormat> format;
};

/// As validate(const Options&).
AETHER2ONNX_API void validate(const FuseOptions& options);

/// What was read, recognised, fused and written.
struct FuseReport {
  Report::Source source;
  Report::Network network;  ///< Of the source.

  struct Output {
    std::filesystem::path path;  ///< Empty where the checkpoint was written to memory.
    CheckpointFormat format = CheckpointFormat::pth;
    std::uint64_t bytes = 0;
    std::uint64_t tensors = 0;
    std::uint64_t parameters = 0;
    std::string dtype;  ///< As in Report::Source.
  } output;

  /// Pairs of convolutions that became one each; 0 where the source is fused already.
  std::uint64_t convolutions = 0;
  /// Weights that became a subnormal number of float16 or bfloat16, and those that became zero.
  std::uint64_t weights_subnormal = 0;
  std::uint64_t weights_flushed_to_zero = 0;

  std::vector<Stage> stages;
  std::vector<std::string> warnings;
};

/// Fuses the checkpoint in `input` and writes the fused one to `output`: the state dict of the
/// network in its fused state, names without prefixes, nothing around it. An input that is fused
/// already is written in the format and type asked for.
///
/// Converting the fused checkpoint gives the same ONNX file as converting the unfused one, name and
/// hash of the source aside, unless it is written in a type that doesn't hold the weights (as
/// float16 for an ONNX file in fp32).
///
/// Throws Error; what was written to `output` until then is to be thrown away.
AETHER2ONNX_API FuseReport fuse(const Input& input, Output& output, const FuseOptions& options,
                                const Context& context = {});

/// Fuses the file `input` to the file `output`, which appears at once and whole, as with
/// convert_file(). An empty `output` stands for `{stem}_fused.pth` (or `.safetensors`) beside the
/// input.
///
/// @throws Error(usage) also where the output's name ends as one format's and the options have the
/// other; Error(io) as convert_file().
AETHER2ONNX_API FuseReport fuse_file(const std::filesystem::path& input,
                                     const std::filesystem::path& output,
                                     const FuseOptions& options, const Context& context = {});

}  // namespace aether2onnx
