/// @file
/// Fuses a checkpoint: each pair of parallel convolutions becomes one convolution.
///
/// Options and reports are plain data, which the caller owns. A call reads its arguments only until
/// it returns. Calls in different threads are independent of each other.
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

/// Element type of the weights in a fused checkpoint.
enum class WeightType {
  same,  ///< Each weight keeps its type. A sum has the type that PyTorch's sum would have.
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

/// How to fuse.
struct FuseOptions {
  ReadOptions read;
  Expectations expect;
  /// Name of the source in reports. If empty, fuse_file() uses the file name without its folder.
  std::string source_name;

  /// Sums are computed in float64 and rounded once to float32, or to float64 if a summand is stored
  /// in float64. PyTorch's fused network has the same numbers, and convert() starts from them too.
  /// Then every weight is rounded to this type, to nearest even. A value beyond the type's range is
  /// an error.
  WeightType dtype = WeightType::same;
  /// Unset: safetensors if the output's name ends in .safetensors, else pth.
  std::optional<CheckpointFormat> format;
};

/// Throws Error(usage) if a value in `options` is out of range. The error names the option. The
/// fuse functions call this first.
AETHER2ONNX_API void validate(const FuseOptions& options);

/// Result of a fusion.
struct FuseReport {
  SourceInfo source;
  NetworkInfo network;  ///< Of the source.

  struct Output {
    std::filesystem::path path;  ///< Empty if the checkpoint was written to memory.
    CheckpointFormat format = CheckpointFormat::pth;
    std::uint64_t bytes = 0;
    std::uint64_t tensors = 0;
    std::uint64_t parameters = 0;
    std::string dtype;  ///< Like SourceInfo::dtype.
  } output;

  /// Pairs of convolutions that were fused; 0 if the source was fused already.
  std::uint64_t convolutions = 0;
  /// Weights that became a subnormal number of float16 or bfloat16, and those that became zero.
  std::uint64_t weights_subnormal = 0;
  std::uint64_t weights_flushed_to_zero = 0;

  std::vector<Step> steps;
  std::vector<Diagnostic> warnings;
};

/// Fuses the checkpoint in `input` and writes the state dict of the fused network to `output`:
/// names without prefixes, no wrapper around it. An input that is fused already is written in the
/// format and type asked for.
///
/// Converting the fused checkpoint gives the same ONNX file as converting the unfused one, but for
/// the name and hash of the source. The exception is a `dtype` that can't hold the weights, for
/// example float16 for an ONNX file in fp32.
///
/// Throws Error. After an error, discard everything that was written to `output`.
AETHER2ONNX_API FuseReport fuse(const Input& input, Output& output, const FuseOptions& options,
                                const Context& context = {});

/// Fuses the file `input` to the file `output`, which appears at once and whole, as with
/// convert_file(). If `output` is empty, the file is `{stem}_fused.pth` (or `.safetensors`) beside
/// the input.
///
/// Throws Error, with the kind `usage` also if the name of the output and the options name
/// different formats.
AETHER2ONNX_API FuseReport fuse_file(const std::filesystem::path& input,
                                     const std::filesystem::path& output,
                                     const FuseOptions& options, const Context& context = {});

/// `{stem}_fused.pth`, or `.safetensors`. A type other than the stored one is part of the name:
/// "net_fused_float16.pth".
AETHER2ONNX_API std::string default_fused_name(std::string_view stem, const FuseOptions& options);

}  // namespace aether2onnx
