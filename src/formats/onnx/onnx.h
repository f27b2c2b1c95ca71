/// @file
/// Stage "ONNX bytes": a graph lowered to an opset and written as an ONNX file.
///
/// Owns what differs between opsets, and the wire format (onnx.proto, through protozero). The file
/// is streamed: sizes are computed first, then each weight goes from its loader to the output.
/// Files made by anybody are read back as far as reports need it; their weights stay where they
/// are.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/tensor.h"
#include "graph/graph.h"
#include "network/network.h"
#include "port/files.h"

namespace aether2onnx::onnx {

/// The lowest IR version that a model of this opset may have.
/// Source: the table of released versions in ONNX's Versioning.md.
int ir_version(int opset);

/// Replaces operators that `opset` lacks by ones that it has. Names, weights and everything else
/// stay. Opset 20 brought Gelu, 17 LayerNormalization, and with 18 the axes of reductions became an
/// input; every other operator in use exists, with the same attributes and inputs, from kMinOpset
/// to kMaxOpset.
graph::Graph lower(const graph::Graph& graph, int opset);

/// An axis as it stands in the file: "64", "batch_size", "height", "output_width"; axes between the
/// input's size and the output's are called "height_x2" and so on.
std::string dim_text(const graph::Dim& dim, const graph::Graph& graph, graph::ValueId value);

/// What stands in the file beside the graph.
struct ModelProperties {
  using Metadata = std::vector<std::pair<std::string, std::string>>;
  int opset = kMaxOpset;
  Metadata metadata;
  /// Where it is set, asked for the metadata once the weights are written; what takes time to find
  /// out may come then. All entries must be as long as in `metadata`.
  std::function<Metadata()> final_metadata;
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

// --- reading ---

/// An input or output of a graph.
struct FileValue {
  std::string name;
  int elem_type = 0;              ///< TensorProto.DataType; 0 where it is no tensor.
  std::vector<std::string> dims;  ///< Decimal numbers, names of dynamic axes, "" for neither.
};

struct FileNode {
  std::string name;
  std::string op_type;
  std::string domain;  ///< "" for ONNX's own operators.
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  /// Numbers, texts and lists of integers; tensors and graphs are left out.
  std::map<std::string, graph::AttributeValue> attributes;
};

/// A constant of a graph: an initializer, or the tensor of a Constant node.
struct FileTensor {
  std::string name;
  int data_type = 0;  ///< TensorProto.DataType.
  std::vector<std::int64_t> dims;
  /// Where the elements lie in the ONNX file, where they are raw_data; 0 bytes otherwise.
  std::uint64_t raw_offset = 0;
  std::uint64_t raw_bytes = 0;
  /// Where they lie otherwise: the fields of numbers (float_data, int32_data, …), in order.
  struct Piece {
    std::uint64_t field = 0;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };
  std::vector<Piece> pieces;
  std::string external_file;    ///< File name of external data, "" if there is none.
  std::string external_offset;  ///< Decimal, as it stands in the file; "" where it doesn't.
  std::string external_bytes;
};

/// What an ONNX file holds, without the elements of its weights.
struct File {
  std::int64_t ir_version = 0;
  std::vector<std::pair<std::string, std::int64_t>> opsets;  ///< Domain and version.
  std::string producer_name;
  std::string producer_version;
  std::string graph_name;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::vector<FileValue> inputs;
  std::vector<FileValue> outputs;
  std::vector<FileNode> nodes;
  std::vector<FileTensor> initializers;
  /// Domain and name of the operators that the file itself defines (model-local functions).
  std::set<std::pair<std::string, std::string>> functions;
  /// Whether there is more that may hold tensors and isn't described here: graphs within the graph,
  /// bodies of functions, sparse tensors, what a training needs.
  bool has_undescribed_parts = false;

  const std::string* find_metadata(std::string_view key) const;
  bool has_function(const std::string& domain, const std::string& name) const;
};

/// The inputs that a caller gives: those without a value in the file.
std::vector<const FileValue*> open_inputs(const File& file);

/// The opset of ONNX's own operators; 0 where the file names none.
std::int64_t default_opset(const File& file);

/// Whether external data of this name are looked for: it is a file name without a folder.
bool is_beside(const std::string& external_file);

/// Reads the description of an ONNX file; nothing in it is trusted. Throws Error(malformed) where
/// it is no ONNX file or damaged, Error(limit) where it has more parts than limits.h allows.
File read(const Input& input, const Context& context);

/// PyTorch's name of an element type, "float32"; for what PyTorch hasn't, ONNX's, "string"; "type
/// 99" for an unknown number.
std::string type_text(int data_type);
/// The element type, where it is one that is read.
std::optional<DType> dtype_of(int data_type);

/// The elements of a tensor of the ONNX file `file`. `siblings` opens external data, which is
/// looked for beside the file only; it may be null. Throws Error(unsupported) where the type isn't
/// read, Error(malformed) where the data don't fit the shape, Error(io) where external data isn't
/// there.
TensorData read_tensor(const FileTensor& tensor, const Input& file, const io::Siblings* siblings);

/// What a recogniser of networks needs of the graph.
network::Outline outline_of(const File& file);

/// Whether weights or inputs are float16 or bfloat16.
bool has_half_types(const File& file);

/// The bytes of a model that computes in float32 what the file `input`, described by `file`,
/// computes on a device that has its 16-bit types: weights are widened, and what every operator
/// makes is rounded to its type in the file, by a Cast there and back. That is how processors with
/// these types work, which accumulate in float32 and round at the end. ONNX Runtime's CPU provider
/// leaves such roundings out, and lacks most operators of bfloat16. The weights, also those of
/// external data, are within the bytes. Throws Error(malformed).
std::string emulate_half_types(const Input& input, const File& file, const io::Siblings* siblings);

/// The bytes that, put behind an ONNX file, make `values` of its graph outputs as well: protobuf
/// joins messages that follow each other.
std::string additional_outputs(const std::vector<std::string>& values);

}  // namespace aether2onnx::onnx
