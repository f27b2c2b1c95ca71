/// @file
/// Fuses a checkpoint: each pair of parallel convolutions becomes one convolution. In some
/// generations (versions of AetherNet's design), fusion also merges the mean and variance of each
/// normalization into weight and bias.
///
/// Options and reports are plain data, which the caller owns. The library uses the arguments of a
/// function only until the function returns. Calls in different threads are independent.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <aether2onnx/api.h>
#include <aether2onnx/context.h>
#include <aether2onnx/error.h>
#include <aether2onnx/io.h>
#include <aether2onnx/network.h>
#include <aether2onnx/report.h>

namespace aether2onnx {

/// Element types for the weights of a fused checkpoint.
enum class WeightType {
  same,  ///< Each weight keeps its type. A sum of two weights has the type of PyTorch's sum.
  float32,
  float16,
  bfloat16,
  float64,
};

/// File formats of a fused checkpoint.
enum class CheckpointFormat {
  pth,          ///< PyTorch's zip file with only a state dict, for torch.load(weights_only=True).
  safetensors,  ///< A safetensors file with "format": "pt" in its metadata.
};

/// Returns "same", "float32", "float16", "bfloat16" or "float64".
AETHER2ONNX_API std::string_view to_string(WeightType type) noexcept;
/// Returns "pth" or "safetensors".
AETHER2ONNX_API std::string_view to_string(CheckpointFormat format) noexcept;

/// Options of a fusion.
struct FuseOptions {
  ReadOptions read;
  Expectations expect;
  /// Name of the checkpoint in reports. If empty, fuse_file() uses the file name without folder.
  std::string source_name;

  /// The element type of all weights in the fused checkpoint. Fusion computes new weights, for
  /// example sums of the weights of two convolutions. Each sum is computed in float64, and then
  /// rounded to float32 unless a summand is stored in float64. convert() and AetherNet's PyTorch
  /// class compute the same sums. Then all weights are rounded to `dtype`, to nearest with ties to
  /// even. A value beyond the range of `dtype` is an error.
  WeightType dtype = WeightType::same;
  /// File format. Unset: safetensors if the output's name ends in .safetensors, else pth.
  std::optional<CheckpointFormat> format;
};

/// Throws Error(usage) if a value in `options` is out of range. The error names the option. All
/// fuse functions call validate() first.
AETHER2ONNX_API void validate(const FuseOptions& options);

/// Result of a fusion.
struct FuseReport {
  SourceInfo source;
  NetworkInfo network;  ///< The network in the source.

  struct Output {
    std::filesystem::path path;  ///< Empty if the checkpoint was written to memory.
    CheckpointFormat format = CheckpointFormat::pth;
    std::uint64_t bytes = 0;
    std::uint64_t tensors = 0;
    std::uint64_t parameters = 0;
    std::string dtype;  ///< The type of the weights, like SourceInfo::dtype.
  } output;

  /// The number of pairs of convolutions that were fused; 0 if the source was already fused.
  std::uint64_t convolutions = 0;
  /// The number of weights that became subnormal when they were rounded to float16 or bfloat16.
  std::uint64_t weights_subnormal = 0;
  /// The number of weights that became 0 when they were rounded to float16 or bfloat16.
  std::uint64_t weights_flushed_to_zero = 0;

  std::vector<Step> steps;
  std::vector<Diagnostic> warnings;
};

/// Fuses the checkpoint in `input` and writes the state dict of the fused network to `output`. The
/// state dict is at the root of the file. The weights' names have no prefixes, such as "module.",
/// which PyTorch's DataParallel adds. If `input` is already fused, the same weights are written in
/// the requested format and type.
///
/// The fused and the unfused checkpoint convert to the same ONNX file, except for the name and hash
/// of the source. The weights in the ONNX files also differ if FuseOptions::dtype can't hold the
/// weights exactly. Example: after fusion to float16, an ONNX file in fp32 has rounded weights.
///
/// Throws Error. After an error, discard everything that was written to `output`.
AETHER2ONNX_API FuseReport fuse(const Input& input, Output& output, const FuseOptions& options,
                                const Context& context = {});

/// Fuses the file `input` to the file `output`. As with convert_file(), the output appears only
/// when the file is complete. If `output` is empty, the file is default_fused_name() in the input's
/// folder.
///
/// Throws Error, for example Error(usage) if the name of the output and the options state different
/// formats.
AETHER2ONNX_API FuseReport fuse_file(const std::filesystem::path& input,
                                     const std::filesystem::path& output,
                                     const FuseOptions& options, const Context& context = {});

/// Returns `{stem}_fused.pth`, or `{stem}_fused.safetensors` if FuseOptions::format is safetensors.
/// If FuseOptions::dtype is not `same`, the type is a part of the name: "net_fused_float16.pth".
AETHER2ONNX_API std::string default_fused_name(std::string_view stem, const FuseOptions& options);

}  // namespace aether2onnx
