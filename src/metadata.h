/// @file
/// The metadata of the ONNX files that aether2onnx writes: their keys and texts, written and read.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/onnx/onnx.h"

namespace aether2onnx::metadata {

/// The input's shape at the ends of its profile, and the keys under which the metadata have them.
struct ProfileEnd {
  const char* key;
  std::int64_t Axis::*size;
};
inline constexpr std::array<ProfileEnd, 3> kProfile = {
    {{"min_shape", &Axis::min}, {"opt_shape", &Axis::opt}, {"max_shape", &Axis::max}}};

/// "1x3x64x64": the shape at one end of its profile. A fixed axis has its size.
std::string shape_text(const InputShape& shape, std::int64_t channels, std::int64_t Axis::*end);

/// The metadata of a converted model, in a fixed order.
std::vector<std::pair<std::string, std::string>> entries(const ConvertReport& report);

/// Compares an existing ONNX file with the planned one: metadata, opset, inputs and outputs.
/// Returns the first difference in a few words, or "". The source's name and hash are left out.
/// `more_fp32_blocks` as in why_outdated().
std::string difference(const onnx::Model& file, const ConvertReport& planned,
                       bool more_fp32_blocks);

/// The answers to the questions that a checkpoint may leave open. Unset if the metadata are not of
/// aether2onnx.
struct Assumed {
  std::optional<std::string> generation;
  std::optional<double> res_scale;
  std::optional<double> norm_eps;
  std::optional<double> img_range;
};
Assumed assumed(const onnx::Model& file);

/// The options of the conversion that made the model: entries(), read back. What a reader of a
/// checkpoint decides (ReadOptions) is left out. Unset if the metadata are not of aether2onnx, or
/// have a value that this version does not know.
std::optional<ConvertOptions> options(const onnx::Model& file);

/// The first fact about the network's size that the metadata and the network disagree about, as a
/// sentence; "" if there is none.
std::string other_network(const onnx::Model& file, const NetworkInfo& network);

/// The facts about the network that the metadata note. Other facts stay empty.
NetworkInfo network(const onnx::Model& file);

/// Contradictions between the metadata and the network in the graph. If the graph leaves a fact
/// about the network open, `network` gets the noted fact.
std::vector<Diagnostic> contradictions(const onnx::Model& file, const std::string& precision,
                                       NetworkInfo& network);

}  // namespace aether2onnx::metadata
