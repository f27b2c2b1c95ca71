/// @file
/// Inspection: what a file is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <aether2onnx/context.h>
#include <aether2onnx/convert.h>

namespace aether2onnx {

/// ReadOptions::dequantize doesn't matter: what a network in int8 is is told in any case.
struct InspectOptions : ReadOptions {
  /// Whether Inspection::tensors is wanted, for which every tensor is read, one at a time.
  bool tensors = false;
};

/// One tensor of a file.
struct InspectedTensor {
  std::string name;
  std::string dtype;  ///< As PyTorch calls it, "float32"; "" where it isn't known.
  std::vector<std::int64_t> shape;
  /// Why the elements weren't looked at, "" where they were: "is None", for example.
  std::string problem;
  std::uint64_t nan = 0;
  std::uint64_t infinite = 0;
  /// Of the finite elements; nothing where there are none. 64-bit integers are rounded to float64.
  std::optional<double> min;
  std::optional<double> max;
  std::optional<double> mean;
};

/// What a checkpoint or an ONNX file is.
struct Inspection {
  /// `source.container` is "ONNX" for an ONNX file; `tensors` and `parameters` are those of its
  /// weights, constants of formulas (scalars, shapes) left out.
  Report::Source source;

  /// The network, where the file is of one that can be converted.
  std::optional<Report::Network> network;
  /// Where it isn't: what the file is instead, or every difference. One to many lines.
  std::string not_recognised;
  /// One entry a difference, as in Error::findings().
  std::vector<std::string> findings;

  /// What running the network takes. A megapixel is 1,000,000 pixels of the output picture.
  struct Cost {
    std::uint64_t parameters = 0;
    /// Of convolutions and projections, biases left out.
    std::uint64_t multiply_adds_per_megapixel = 0;
    std::uint64_t weight_bytes = 0;
    /// Of all feature maps alive at once at the most, input and output included; a runtime takes
    /// more for rearranged copies and workspaces.
    std::uint64_t activation_bytes_per_megapixel = 0;
    /// In which the bytes are counted: the ONNX file's, or fp32 for a checkpoint.
    std::string precision;
  };
  /// As the network stands in the file, and, where it is unfused, as it is once fused.
  std::optional<Cost> cost;
  std::optional<Cost> fused_cost;

  /// How far the training had come, where the file says: key and number, "iter" and "50000".
  std::vector<std::pair<std::string, std::string>> training;

  struct Onnx {
    std::int64_t ir_version = 0;
    std::vector<std::pair<std::string, std::int64_t>>
        opsets;  ///< Domain ("" is ONNX's) and version.
    std::string producer_name;
    std::string producer_version;
    /// "fp32" or "fp16", where input and weights are all of that type; otherwise what they are.
    std::string precision;
    std::vector<TensorInfo> inputs;  ///< Those that have no value in the file.
    std::vector<TensorInfo> outputs;
    std::uint64_t nodes = 0;                                       ///< Constants left out.
    std::vector<std::pair<std::string, std::uint64_t>> operators;  ///< Most frequent first.
    std::vector<std::pair<std::string, std::string>> metadata;
    std::vector<std::string> external_files;  ///< That hold weights, as the file names them.
  };
  std::optional<Onnx> onnx;  ///< Of an ONNX file.

  std::vector<InspectedTensor> tensors;  ///< In the order of the file; see InspectOptions::tensors.
  /// What doesn't fit together, for example metadata that contradict the graph.
  std::vector<std::string> warnings;
};

/// Says what a file is: a checkpoint, or an ONNX file whoever made it. That it is of no network
/// that can be converted is no error.
///
/// Throws Error(unsupported, malformed, limit) where the file isn't one that is read, or damaged;
/// Error(usage) where an option is out of range.
AETHER2ONNX_API Inspection inspect(const Input& input, const InspectOptions& options,
                                   const Context& context = {});

/// The same for a file; the external data of an ONNX file are read where they lie beside it.
/// Throws Error(io) too.
AETHER2ONNX_API Inspection inspect_file(const std::filesystem::path& path,
                                        const InspectOptions& options, const Context& context = {});

}  // namespace aether2onnx
