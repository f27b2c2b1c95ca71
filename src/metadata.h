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

/// Describes one of the three input shapes (min, opt, max) that TensorRT needs. `key` is the
/// metadata key of this shape. `size` is the member of Axis that holds the sizes of this shape.
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
/// source's name and hash. If `more_fp32_blocks` is true, `file` may keep more modules in float32
/// than `planned`.
std::string difference(const onnx::Model& file, const ConvertReport& planned,
                       bool more_fp32_blocks);

/// Settings of the network, read from an ONNX file's metadata. If the checkpoint does not show one
/// of these settings, a verification assumes the value in the metadata. All members are unset if
/// aether2onnx did not write the metadata.
struct Assumed {
  std::optional<std::string> generation;
  std::optional<double> res_scale;
  std::optional<double> norm_eps;
  std::optional<double> img_range;
};
Assumed assumed(const onnx::Model& file);

/// Returns the options of the conversion that made the model, read from the metadata. The members
/// `read` and `expect` keep their defaults. Returns nullopt if aether2onnx did not write the
/// metadata, or if a value is unknown to this version of aether2onnx.
std::optional<ConvertOptions> options(const onnx::Model& file);

/// Compares the network's sizes in the metadata (scale, embed_dim, …) with those of `network`.
/// Returns a sentence about the first difference; "" if there is none.
std::string other_network(const onnx::Model& file, const NetworkInfo& network);

/// Reads the network's architecture, generation, model type, depths, res_scale and img_range from
/// the metadata. All other settings in the returned NetworkInfo keep their defaults.
NetworkInfo network(const onnx::Model& file);

/// Returns the contradictions between the metadata and `network`, which was recognised in the
/// graph. The graph does not show some settings, for example res_scale. Before the comparison,
/// contradictions() copies these settings from the metadata to `network`.
std::vector<Diagnostic> contradictions(const onnx::Model& file, const std::string& precision,
                                       NetworkInfo& network);

}  // namespace aether2onnx::metadata
