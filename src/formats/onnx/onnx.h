/// @file
/// ONNX files as plain records, read from bytes and written to bytes.
///
/// This folder owns the wire format: onnx.proto, through protozero. A reader leaves the weights in
/// the file. The writer computes all sizes first, then copies each weight from its loader to the
/// output. So both need memory for one weight at a time.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "base/tensor.h"
#include "port/files.h"

namespace aether2onnx::onnx {

/// A value of a graph: an input, an output or the result of a node.
struct ValueInfo {
  std::string name;
  int elem_type = 0;              ///< TensorProto.DataType; 0 if the value is no tensor.
  std::vector<std::string> dims;  ///< A decimal number, a dynamic axis's name, or "" if unknown.
};

/// A number, a text or a list of integers. Other values are left out. Tensors of attributes are in
/// Model::initializers and Model::other_tensors; nodes of graphs in attributes in
/// Model::inner_nodes.
using AttributeValue = std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>>;

struct Node {
  std::string name;
  std::string op_type;
  std::string domain;  ///< "" for ONNX's own operators.
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  std::map<std::string, AttributeValue> attributes;
  std::string overload = {};  ///< Tells functions of one domain and name apart; mostly "".
};

/// A function that the file itself defines (a model-local function).
struct Function {
  std::string domain;
  std::string name;
  std::string overload;
  std::vector<Node> nodes;  ///< Also those of graphs within the function.
};

/// A part of the file that ONNX does not define, for example a field of a later version.
struct UnknownPart {
  std::string what;  ///< "field 99 of NodeProto"
  std::uint64_t offset = 0;
};

/// A constant of a graph: an initializer, or the tensor of a Constant node.
struct Tensor {
  std::string name;
  int data_type = 0;  ///< TensorProto.DataType.
  std::vector<std::int64_t> dims;

  // Of a tensor that was read: the place of its elements.

  /// The place of raw_data in the ONNX file; 0 bytes if the tensor has none.
  std::uint64_t raw_offset = 0;
  std::uint64_t raw_bytes = 0;
  /// The places of the other fields with elements (float_data, int32_data, …), in order.
  struct Piece {
    std::uint64_t field = 0;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };
  std::vector<Piece> pieces = {};
  std::string external_file = {};    ///< File name of external data, "" if there is none.
  std::string external_offset = {};  ///< The decimal number in the file; "" if the file has none.
  std::string external_bytes = {};

  // Of a tensor to be written.

  /// Returns the elements, which have the type `data_type`.
  TensorLoader load = {};
  /// Whether the tensor may be moved to external data. Constants of formulas stay in the file.
  bool is_weight = false;
};

using Metadata = std::vector<std::pair<std::string, std::string>>;

/// An ONNX file without the elements of its weights.
struct Model {
  std::int64_t ir_version = 0;
  std::vector<std::pair<std::string, std::int64_t>> opsets;  ///< Domain and version.
  std::string producer_name;
  std::string producer_version;
  // Written, but not read: what tools show of a model.
  std::string domain;
  std::int64_t model_version = 0;
  std::string doc_string;
  std::string graph_name;
  Metadata metadata;
  std::vector<ValueInfo> inputs;
  std::vector<ValueInfo> outputs;
  std::vector<Node> nodes;
  std::vector<Tensor> initializers;
  std::vector<ValueInfo> value_info;  ///< Results of nodes. They are written, but not read.
  std::vector<Function> functions;
  /// Nodes of the graphs within the graph (If, Loop, Scan) and of training information.
  std::vector<Node> inner_nodes;
  /// All tensors that are no constants of the graph: those of attributes, of inner graphs, of
  /// functions, of training information, and the two parts of each sparse tensor.
  std::vector<Tensor> other_tensors;
  /// The names of the graph's sparse constants.
  std::vector<std::string> sparse_constants;
  /// At most limits::kListed of them.
  std::vector<UnknownPart> unknown_parts;

  const std::string* find_metadata(std::string_view key) const;
  /// The function that the node calls; null if the file defines none.
  const Function* function_of(const Node& node) const;

  /// Calls `visit` with every node of the file.
  template <typename Visit>
  void each_node(Visit visit) const {
    for (const Node& node : nodes) visit(node);
    for (const Node& node : inner_nodes) visit(node);
    for (const Function& function : functions) {
      for (const Node& node : function.nodes) visit(node);
    }
  }
  /// Calls `visit` with every tensor of the file.
  template <typename Visit>
  void each_tensor(Visit visit) const {
    for (const Tensor& tensor : initializers) visit(tensor);
    for (const Tensor& tensor : other_tensors) visit(tensor);
  }

  /// Where each function is in `functions`, by domain, name and overload. read() fills the map.
  std::map<std::tuple<std::string, std::string, std::string>, std::size_t> function_places = {};
};

/// Whether `domain` is that of ONNX's own operators, which has two names.
bool is_onnx_domain(std::string_view domain);

/// The lowest IR version that a model of this opset may have.
/// Source: the table of released versions in ONNX's Versioning.md.
int ir_version(int opset);

/// The opset of ONNX's own operators; 0 if the model names none.
std::int64_t default_opset(const Model& model);

/// The inputs that a caller gives: those without an initializer.
std::vector<const ValueInfo*> open_inputs(const Model& model);

/// The files with external data, each once, in the order of the model.
std::vector<std::string> external_files(const Model& model);

// --- types ---

/// PyTorch's name of an element type, "float32". If PyTorch has no such type: ONNX's name,
/// "string", or "type 99" for an unknown number.
std::string type_text(int data_type);
/// The element type, or nullopt if tensors of the type are not read.
std::optional<DType> dtype_of(int data_type);
/// TensorProto.DataType of a type that dtype_of() returns.
int data_type_of(DType dtype);

// --- reading ---

/// Reads the description of an ONNX file. Trusts nothing in the file. Throws Error(malformed) if
/// the file is damaged, is no ONNX file, or has a form that no exporter writes and that readers
/// understand in different ways; Error(limit) if the file has more parts than the limits allow.
Model read(const Input& input, const Context& context);

/// Whether external data of this name are looked for: the name must be that of a file in the
/// model's own folder, on every system.
bool is_beside(const std::string& external_file);

/// Reads the elements of a tensor of the ONNX file `file`. `siblings` opens external data, which
/// must lie beside the file; it may be null. Throws Error(unsupported) if the type is not read,
/// Error(malformed) if the data don't fit the shape, Error(io) if external data are missing.
TensorData read_tensor(const Tensor& tensor, const Input& file, const io::Siblings* siblings);

// --- writing ---

struct WriteOptions {
  /// If the file had more bytes than this, the weights go to external data.
  std::uint64_t external_data_threshold = ~std::uint64_t{0};
  /// Receives the bytes of weights written so far, and their total. May be empty.
  std::function<void(std::uint64_t, std::uint64_t)> progress = {};
  /// Called after the weights are written; the result replaces Model::metadata. Slow work may end
  /// by then. The result must take as many bytes as Model::metadata. May be empty.
  std::function<Metadata()> final_metadata = {};
};

struct Written {
  std::uint64_t bytes = 0;
  std::uint64_t external_data_bytes = 0;
};

/// Writes the model. Throws Error(limit) if external data are needed and `output` has no place for
/// them, and whatever a loader throws.
Written write(const Model& model, const OutputFiles& output, const WriteOptions& options = {});

// --- changing bytes ---

/// Whether weights or inputs are float16 or bfloat16.
bool has_half_types(const Model& model);

/// Returns a model that computes in float32 and rounds like a device with 16-bit types. `model`
/// describes the file `input`. Weights are widened to float32. A Cast there and back rounds the
/// result of every operator to its type in the file. Processors with 16-bit types work the same
/// way: they accumulate in float32 and round at the end. ONNX Runtime's CPU provider leaves such
/// roundings out, and lacks most operators of bfloat16. The result holds all weights, also those of
/// external data. Throws Error(malformed).
std::string emulate_half_types(const Input& input, const Model& model,
                               const io::Siblings* siblings);

/// Returns bytes that, appended to an ONNX file, make `values` outputs of its graph: protobuf joins
/// messages that follow each other.
std::string additional_outputs(const std::vector<std::string>& values);

}  // namespace aether2onnx::onnx
