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

/// One shape of the input's profile (min, opt or max): its metadata key and its member of Axis.
struct ProfileEnd {
  const char* key;
  std::int64_t Axis::*size;
};
inline constexpr std::array<ProfileEnd, 3> kProfile = {
    {{"min_shape", &Axis::min}, {"opt_shape", &Axis::opt}, {"max_shape", &Axis::max}}};

/// Returns a shape of the profile, "1x3x64x64". `end` selects min, opt or max of dynamic axes.
std::string shape_text(const InputShape& shape, std::int64_t channels, std::int64_t Axis::*end);

/// Returns the metadata of a converted model, in a fixed order.
std::vector<std::pair<std::string, std::string>> entries(const ConvertReport& report);

/// Compares an existing ONNX file with the planned one: metadata, opset, inputs and outputs.
/// Returns the first difference in a few words, or "". Ignores the source's name and hash.
/// why_outdated() explains `more_fp32_blocks`.
std::string difference(const onnx::Model& file, const ConvertReport& planned,
                       bool more_fp32_blocks);

/// The answers in the metadata to the questions that a checkpoint may leave open. Unset if the
/// metadata were not written by aether2onnx.
struct Assumed {
  std::optional<std::string> generation;
  std::optional<double> res_scale;
  std::optional<double> norm_eps;
  std::optional<double> img_range;
};
Assumed assumed(const onnx::Model& file);

/// Returns the options of the conversion that made the model, read from the metadata. Leaves the
/// ReadOptions unset. Returns nullopt if the metadata were not written by aether2onnx, or have a
/// value that this version does not know.
std::optional<ConvertOptions> options(const onnx::Model& file);

/// Compares the facts about the network's size in the metadata with `network`. Returns a sentence
/// about the first difference, or "".
std::string other_network(const onnx::Model& file, const NetworkInfo& network);

/// Returns the facts about the network that are in the metadata. Other facts stay empty.
NetworkInfo network(const onnx::Model& file);

/// Returns the contradictions between the metadata and `network`, which was read from the graph.
/// Copies facts that the graph does not show from the metadata to `network`.
std::vector<Diagnostic> contradictions(const onnx::Model& file, const std::string& precision,
                                       NetworkInfo& network);

}  // namespace aether2onnx::metadata
