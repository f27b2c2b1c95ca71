/// @file
/// Writes and reads the metadata (keys and texts) of the ONNX files that aether2onnx writes.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/onnx/onnx.h"

namespace aether2onnx::metadata {

/// One input shape (min, opt or max) for TensorRT: the metadata key, and the member of Axis.
struct ProfileEnd {
  const char* key;
  std::int64_t Axis::*size;
};
inline constexpr std::array<ProfileEnd, 3> kProfile = {
    {{"min_shape", &Axis::min}, {"opt_shape", &Axis::opt}, {"max_shape", &Axis::max}}};

/// Returns an input shape as text, "1x3x64x64". `end` selects min, opt or max of dynamic axes.
std::string shape_text(const InputShape& shape, std::int64_t channels, std::int64_t Axis::*end);

/// Returns the keys and texts of a converted model's metadata, in a fixed order.
std::vector<std::pair<std::string, std::string>> entries(const ConvertReport& report);

/// Compares the ONNX file `file` with the conversion `planned`: metadata, opset, inputs and
/// outputs. Returns the first difference in a few words; "" if there is none. Does not compare the
/// source's name and hash. For `more_fp32_blocks`, see why_outdated().
std::string difference(const onnx::Model& file, const ConvertReport& planned,
                       bool more_fp32_blocks);

/// The settings of the network in an ONNX file's metadata that a checkpoint's tensors may not show.
/// All members are unset if aether2onnx did not write the metadata.
struct Assumed {
  std::optional<std::string> generation;
  std::optional<double> res_scale;
  std::optional<double> norm_eps;
  std::optional<double> img_range;
};
Assumed assumed(const onnx::Model& file);

/// Returns the options of the conversion that made the model, read from the metadata. Leaves the
/// ReadOptions unset. Returns nullopt if aether2onnx did not write the metadata, or if a value is
/// unknown to this version of aether2onnx.
std::optional<ConvertOptions> options(const onnx::Model& file);

/// Compares the network's sizes in the metadata (scale, embed_dim, …) with those of `network`.
/// Returns a sentence about the first difference; "" if there is none.
std::string other_network(const onnx::Model& file, const NetworkInfo& network);

/// Returns architecture, generation, model type, depths and numbers in the metadata, nothing else.
NetworkInfo network(const onnx::Model& file);

/// Returns the contradictions between the metadata and `network`, which was recognised in the
/// graph. First copies values that the graph does not show from the metadata to `network`.
std::vector<Diagnostic> contradictions(const onnx::Model& file, const std::string& precision,
                                       NetworkInfo& network);

}  // namespace aether2onnx::metadata
