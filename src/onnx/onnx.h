/// @file
/// Stage "ONNX bytes": a graph lowered to an opset and written as an ONNX file.
///
/// Owns what differs between opsets, and the wire format (onnx.proto, through protozero). The file
/// is streamed: sizes are computed first, then each weight goes from its loader to the output.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "graph/graph.h"

namespace aether2onnx::onnx {

/// The lowest IR version that a model of this opset may have.
/// Source: the table of released versions in ONNX's Versioning.md.
int ir_version(int opset);

/// Replaces operators that `opset` lacks by ones that it has. Names, weights and everything else
/// stay. Opset 20 brought Gelu, 17 LayerNormalization; every other operator in use exists, with the
/// same attributes and inputs, from kMinOpset to kMaxOpset.
graph::Graph lower(const graph::Graph& graph, int opset);

/// An axis as it stands in the file: "64", "batch_size", "height", "output_width"; axes between the
/// input's size and the output's are called "height_x2" and so on.
std::string dim_text(const graph::Dim& dim, const graph::Graph& graph, graph::ValueId value);

/// What stands in the file beside the graph.
struct ModelProperties {
  int opset = kMaxOpset;
  std::vector<std::pair<std::string, std::string>> metadata;
};

/// What write() did.
struct Written {
  std::uint64_t bytes = 0;
  std::uint64_t external_data_bytes = 0;
  std::uint64_t weights_subnormal = 0;
  std::uint64_t weights_flushed_to_zero = 0;
};

/// Writes the model. A file of more than `external_data_threshold` bytes gets its weights into
/// `output.external_data`. `progress` is told the bytes of weights written and their total.
///
/// Throws Error(precision) where a weight is NaN, infinite or beyond the range of its type in the
/// file, naming it; Error(limit) where external data is needed and has no place.
Written write(const graph::Graph& graph, const ModelProperties& properties,
              const OutputFiles& output, std::uint64_t external_data_threshold,
              const std::function<void(std::uint64_t, std::uint64_t)>& progress);

}  // namespace aether2onnx::onnx
