/// @file
/// Inspects a checkpoint or an ONNX file: network, dimensions, types, cost.
///
/// Options and results are plain data, which the caller owns. A call reads its arguments only until
/// it returns. Calls in different threads are independent of each other.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <aether2onnx/api.h>
#include <aether2onnx/context.h>
#include <aether2onnx/error.h>
#include <aether2onnx/io.h>
#include <aether2onnx/network.h>
#include <aether2onnx/report.h>

namespace aether2onnx {

/// How to inspect.
struct InspectOptions {
  /// ReadOptions::dequantize has no effect: networks in int8 are always recognised.
  ReadOptions read;
  /// Fills in Inspection::tensors. Every tensor is read, one at a time.
  bool tensors = false;
};

/// One tensor of a file.
struct InspectedTensor {
  std::string name;
  std::string dtype;  ///< PyTorch's name of the type, "float32"; "" if unknown.
  std::vector<std::int64_t> shape;
  /// Why the elements can't be read, for example "is None"; "" if they were read.
  std::string problem;
  std::uint64_t nan = 0;
  std::uint64_t infinite = 0;
  /// Of the finite elements; unset if there are none. 64-bit integers are rounded to float64.
  std::optional<double> min;
  std::optional<double> max;
  std::optional<double> mean;
};

/// What running a network takes. A megapixel is 1,000,000 pixels of the output picture.
struct NetworkCost {
  std::uint64_t parameters = 0;
  /// Of convolutions and projections, without their biases.
  std::uint64_t multiply_adds_per_megapixel = 0;
  std::uint64_t weight_bytes = 0;
  /// The largest sum of feature maps alive at the same time, input and output included. Runtimes
  /// take more for rearranged copies and workspaces.
  std::uint64_t activation_bytes_per_megapixel = 0;
  /// The precision of the bytes above: that of the ONNX file, or fp32 for a checkpoint.
  std::string precision;
};

/// An ONNX file.
struct OnnxInfo {
  std::int64_t ir_version = 0;
  std::vector<std::pair<std::string, std::int64_t>> opsets;  ///< Domain ("" for ONNX) and version.
  std::string producer_name;
  std::string producer_version;
  /// "fp32", "fp16" or "bf16" if input and weights all have that type; else the precision that the
  /// metadata name, or the types.
  std::string precision;
  std::vector<TensorInfo> inputs;  ///< Without those that have a value in the file.
  std::vector<TensorInfo> outputs;
  /// Without Constant nodes; with the nodes of inner graphs and functions.
  std::uint64_t nodes = 0;
  /// The most frequent first. Operators of other libraries have their domain in front,
  /// "com.microsoft.FusedConv".
  std::vector<std::pair<std::string, std::uint64_t>> operators;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::vector<std::string> external_files;  ///< Files with weights, as the ONNX file names them.
};

/// Result of an inspection.
struct Inspection {
  /// For an ONNX file, `container` is "ONNX". `tensors` and `parameters` count the weights, without
  /// constants of formulas (scalars, shapes).
  SourceInfo source;

  /// The network, if it can be converted.
  std::optional<NetworkInfo> network;
  /// If it can't: the reason, with one of `findings` for each difference.
  Diagnostic not_recognised;
  std::vector<Diagnostic> findings;

  /// Of the network in the file, and of the network after fusion if the file's is unfused.
  std::optional<NetworkCost> cost;
  std::optional<NetworkCost> fused_cost;

  /// Progress of the training, if the file notes it: key and number, "iter" and "50000".
  std::vector<std::pair<std::string, std::string>> training;

  std::optional<OnnxInfo> onnx;  ///< Set for an ONNX file.

  std::vector<InspectedTensor> tensors;  ///< In the order of the file; see InspectOptions::tensors.
  /// Contradictions, for example between metadata and graph.
  std::vector<Diagnostic> warnings;
};

/// Inspects a checkpoint, or an ONNX file from any exporter. An unknown network is no error.
///
/// Throws Error(unsupported, malformed, limit) if the file has another format or is damaged,
/// Error(usage) if an option is out of range.
AETHER2ONNX_API Inspection inspect(const Input& input, const InspectOptions& options = {},
                                   const Context& context = {});

/// The same for a file. External data of an ONNX file must lie beside it. Throws Error(io) too.
AETHER2ONNX_API Inspection inspect_file(const std::filesystem::path& path,
                                        const InspectOptions& options = {},
                                        const Context& context = {});

}  // namespace aether2onnx
