/// @file
/// Describes a checkpoint or an ONNX file: the network in the file, the types of the weights, and
/// the work and memory that the network needs.
///
/// Options and results are plain data, which the caller owns. The library uses the arguments of a
/// function only until the function returns. Calls in different threads are independent.
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

/// Options of an inspection.
struct InspectOptions {
  /// inspect() ignores ReadOptions::dequantize (whether to accept networks in int8), because
  /// inspect() always accepts networks in int8.
  ReadOptions read;
  /// Whether to fill in Inspection::tensors, which requires reading every tensor, one at a time.
  bool tensors = false;
};

/// One tensor of a file.
struct InspectedTensor {
  std::string name;
  std::string dtype;  ///< PyTorch's name of the type, "float32"; "" if unknown.
  std::vector<std::int64_t> shape;
  /// Why the elements can't be read, for example "is None"; "" if the elements were read.
  std::string problem;
  std::uint64_t nan = 0;
  std::uint64_t infinite = 0;
  /// Statistics of the finite elements, if there are any. 64-bit integers are rounded to float64.
  std::optional<double> min;
  std::optional<double> max;
  std::optional<double> mean;
};

/// The work and memory of a network. A megapixel is 1,000,000 pixels of the output picture.
struct NetworkCost {
  std::uint64_t parameters = 0;
  /// Multiply-adds of convolutions and matrix products, without the additions of biases.
  std::uint64_t multiply_adds_per_megapixel = 0;
  std::uint64_t weight_bytes = 0;
  /// The most memory that all feature maps, input and output need at one time. Runtimes need more
  /// memory for rearranged copies and workspaces.
  std::uint64_t activation_bytes_per_megapixel = 0;
  /// The precision of the ONNX file, or "fp32" for a checkpoint. weight_bytes and
  /// activation_bytes_per_megapixel assume this precision. If the file has several types, both
  /// members assume the type of most weights.
  std::string precision;
};

/// Describes an ONNX file.
struct OnnxInfo {
  std::int64_t ir_version = 0;
  std::vector<std::pair<std::string, std::int64_t>> opsets;  ///< Domain ("" for ONNX) and version.
  std::string producer_name;
  std::string producer_version;
  /// "fp32", "fp16" or "bf16" if the input and all weights have this one type. For a file with
  /// several types: the precision that the metadata state, for example "mixed_fp16", unless the
  /// types contradict the metadata. In all other cases: the names of the types, for example
  /// "float16 + float32".
  std::string precision;
  std::vector<TensorInfo> inputs;  ///< The inputs that have no initializer in the file.
  std::vector<TensorInfo> outputs;
  /// The number of nodes in the graph, in its subgraphs and in functions, without Constant nodes.
  std::uint64_t nodes = 0;
  /// Operators and their counts, the most frequent first. The name of an operator outside ONNX's
  /// own domain begins with the domain: "com.microsoft.FusedConv".
  std::vector<std::pair<std::string, std::uint64_t>> operators;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::vector<std::string> external_files;  ///< Files with weights, as the ONNX file names them.
};

/// Result of an inspection.
struct Inspection {
  /// The inspected file. For an ONNX file, `container` is "ONNX", and `tensors` and `parameters`
  /// count the weights, but not the other constants of the graph, such as scalars and shapes.
  SourceInfo source;

  /// The network in the file, if this network can be converted.
  std::optional<NetworkInfo> network;
  /// If `network` is unset, `not_recognised` says why the network cannot be converted. If the keys
  /// in the file show the generation (version of AetherNet's design), `findings` lists each
  /// difference between the file and a network of this generation.
  Diagnostic not_recognised;
  std::vector<Diagnostic> findings;

  /// `cost` is the cost of the network in the file. `fused_cost` is the cost after fuse(), which
  /// merges each pair of parallel convolutions. If the network is already fused, `fused_cost` is
  /// unset.
  std::optional<NetworkCost> cost;
  std::optional<NetworkCost> fused_cost;

  /// Keys and numbers in the file that show the training's progress, such as "iter" and "50000".
  std::vector<std::pair<std::string, std::string>> training;

  std::optional<OnnxInfo> onnx;  ///< Set for an ONNX file.

  std::vector<InspectedTensor> tensors;  ///< Empty without InspectOptions::tensors.
  /// Warnings, for example about contradictions between metadata and graph.
  std::vector<Diagnostic> warnings;
};

/// Describes a checkpoint, or an ONNX file from any exporter. An unknown network is no error.
///
/// Throws Error(unsupported) if the file has another format, Error(malformed) if the file is
/// damaged, Error(limit) if the file exceeds a limit, Error(usage) if an option is out of range.
AETHER2ONNX_API Inspection inspect(const Input& input, const InspectOptions& options = {},
                                   const Context& context = {});

/// Describes a file on disk. External data must be in the same folder. Throws the errors of
/// inspect(), and Error(io) if the file can't be read.
AETHER2ONNX_API Inspection inspect_file(const std::filesystem::path& path,
                                        const InspectOptions& options = {},
                                        const Context& context = {});

}  // namespace aether2onnx
