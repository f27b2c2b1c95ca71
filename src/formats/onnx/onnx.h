/// @file
/// Reads ONNX files into plain records, and writes records as ONNX files.
///
/// This folder owns the wire format of onnx.proto. The reader leaves the weights in the file. The
/// writer, which uses the library protozero, computes all sizes first. Then the writer copies each
/// weight from its loader to the output. Both need memory for one weight at a time.
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
  std::vector<std::string> dims;  ///< Per axis: a decimal number, a name, or "" if unknown.
};

/// An attribute's value: a number, a text or a list of integers. Other values are left out. A
/// tensor in an attribute is in Model::initializers or Model::other_tensors; the nodes of a graph
/// in an attribute are in Model::inner_nodes.
using AttributeValue = std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>>;

struct Node {
  std::string name;
  std::string op_type;
  std::string domain;  ///< "" for ONNX's own operators.
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  std::map<std::string, AttributeValue> attributes;
  std::string overload = {};  ///< Distinguishes functions with equal domain and name; mostly "".
};

/// A function that the file itself defines (a model-local function).
struct Function {
  std::string domain;
  std::string name;
  std::string overload;
  std::vector<Node> nodes;  ///< With the nodes of graphs within the function.
};

/// A part of the file that ONNX does not define, for example a field of a later version.
struct UnknownPart {
  std::string what;  ///< For example "field 99 of NodeProto".
  std::uint64_t offset = 0;
};

/// A constant of a graph: an initializer, or the tensor of a Constant node.
struct Tensor {
  std::string name;
  int data_type = 0;  ///< TensorProto.DataType.
  std::vector<std::int64_t> dims;

  // Set by read(): where the elements are.

  /// The offset and size of raw_data in the ONNX file; the size is 0 if the tensor has no raw_data.
  std::uint64_t raw_offset = 0;
  std::uint64_t raw_bytes = 0;
  /// The other fields with elements (float_data, int32_data, …), in the order of the file.
  struct Piece {
    std::uint64_t field = 0;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };
  std::vector<Piece> pieces = {};
  std::string external_file = {};    ///< File name of external data; "" if there are none.
  std::string external_offset = {};  ///< The decimal number in the file; "" if the file has none.
  std::string external_bytes = {};   ///< The length, as in `external_offset`.

  // Used by write().

  /// Returns the elements, of the type `data_type`.
  TensorLoader load = {};
  /// Whether write() may move the tensor to external data. Other constants stay in the ONNX file.
  bool is_weight = false;
};

using Metadata = std::vector<std::pair<std::string, std::string>>;

/// An ONNX file without the elements of its weights.
struct Model {
  std::int64_t ir_version = 0;
  std::vector<std::pair<std::string, std::int64_t>> opsets;  ///< Domain and version.
  std::string producer_name;
  std::string producer_version;
  // Tools show the next three values of a model. write() writes them; read() leaves them empty.
  std::string domain;
  std::int64_t model_version = 0;
  std::string doc_string;
  std::string graph_name;
  Metadata metadata;
  std::vector<ValueInfo> inputs;
  std::vector<ValueInfo> outputs;
  std::vector<Node> nodes;
  std::vector<Tensor> initializers;
  std::vector<ValueInfo> value_info;  ///< Results of nodes. read() leaves the list empty.
  std::vector<Function> functions;
  /// Nodes of the graphs within the graph (If, Loop, Scan) and of training information.
  std::vector<Node> inner_nodes;
  /// All tensors that are no constants of the graph: the tensors of attributes, of inner graphs, of
  /// functions, of training information, and the two parts of each sparse tensor.
  std::vector<Tensor> other_tensors;
  /// The names of the graph's sparse constants.
  std::vector<std::string> sparse_constants;
  /// The first limits::kListed parts of the file that ONNX does not define.
  std::vector<UnknownPart> unknown_parts;

  const std::string* find_metadata(std::string_view key) const;
  /// Returns the function that the node calls; null if the file defines no such function.
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

  /// The index of each function in `functions`, by domain, name and overload. Filled by read().
  std::map<std::tuple<std::string, std::string, std::string>, std::size_t> function_places = {};
};

/// Returns whether `domain` is a name of ONNX's own operators: "" or "ai.onnx".
bool is_onnx_domain(std::string_view domain);

/// Returns the lowest IR version that a model of this opset may have.
/// Source: the table of released versions in ONNX's Versioning.md.
int ir_version(int opset);

/// Returns the opset of ONNX's own operators; 0 if the model states none.
std::int64_t default_opset(const Model& model);

/// Returns the inputs that a caller must supply: the inputs without an initializer.
std::vector<const ValueInfo*> open_inputs(const Model& model);

/// Returns the names of the files with external data, each once, in the order of the model.
std::vector<std::string> external_files(const Model& model);

// --- types ---

/// Returns PyTorch's name of an element type, for example "float32". If PyTorch has no such type:
/// ONNX's name, for example "string". For an unknown number: "type 99".
std::string type_text(int data_type);
/// Returns the element type; nullopt if read_tensor() does not support the type.
std::optional<DType> dtype_of(int data_type);
/// Returns the TensorProto.DataType of a type. Requires a type that dtype_of() can return.
int data_type_of(DType dtype);

// --- reading ---

/// Reads an ONNX file without the elements of its tensors. Trusts nothing in the file. Throws
/// Error(malformed) if the file is damaged, is no ONNX file, or has a form that no exporter writes
/// and that readers understand in different ways; Error(limit) if the file has more parts than the
/// limits allow.
Model read(const Input& input, const Context& context);

/// Returns whether the name is the name of a file in the model's own folder, on every operating
/// system. read_tensor() reads external data only from such files.
bool is_beside(const std::string& external_file);

/// Reads the elements of a tensor of the ONNX file `file`. `siblings` opens files with external
/// data, which must be in the same folder; `siblings` may be null. Throws Error(unsupported) if the
/// type is not supported, Error(malformed) if the data do not fit the shape, Error(io) if external
/// data are missing.
TensorData read_tensor(const Tensor& tensor, const Input& file, const io::Siblings* siblings);

// --- writing ---

struct WriteOptions {
  /// If the file would have more bytes than this, write() puts the weights into external data.
  std::uint64_t external_data_threshold = ~std::uint64_t{0};
  /// Called with the bytes of weights written so far and the bytes of all weights. May be empty.
  std::function<void(std::uint64_t, std::uint64_t)> progress = {};
  /// Called after the weights are written, so that slow work can run until then. The result
  /// replaces Model::metadata and must take as many bytes as Model::metadata. May be empty.
  std::function<Metadata()> final_metadata = {};
};

struct Written {
  std::uint64_t bytes = 0;
  std::uint64_t external_data_bytes = 0;
};

/// Writes the model. Throws Error(limit) if external data are needed and `output.external_data` is
/// null. Also throws whatever a loader throws.
Written write(const Model& model, const OutputFiles& output, const WriteOptions& options = {});

// --- changing bytes ---

/// Returns whether weights or inputs are float16 or bfloat16.
bool has_half_types(const Model& model);

/// Returns the bytes of a model that computes in float32 and rounds like a device with 16-bit
/// types. `model` is the record of the file `input`. The weights become float32. Two Cast nodes
/// behind each operator round the result to its 16-bit type in the file and convert it to float32.
/// Processors with 16-bit types work the same way: they accumulate in float32 and round at the end.
/// ONNX Runtime's CPU provider leaves such roundings out, and lacks most operators of bfloat16. The
/// result holds all weights, also the weights in external data. Throws Error(malformed), or as
/// read_tensor().
std::string emulate_half_types(const Input& input, const Model& model,
                               const io::Siblings* siblings);

/// Returns bytes to append to an ONNX file, which make `values` outputs of the file's graph.
/// Protobuf merges the appended graph message with the graph message of the file.
std::string additional_outputs(const std::vector<std::string>& values);

}  // namespace aether2onnx::onnx
