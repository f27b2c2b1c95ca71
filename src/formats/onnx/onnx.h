/// @file
/// Reads an ONNX file into structs (Model, Node, Tensor, …), and writes a Model as an ONNX file.
///
/// All code for the protobuf encoding of onnx.proto is in this folder. read() leaves the weights in
/// the file; read_tensor() reads one weight. write() uses the library protozero. write() first
/// computes all sizes. Then write() gets each weight from the function Tensor::load, and copies the
/// weight to the output. So reading and writing need memory for only one weight at a time.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "base/limits.h"
#include "base/tensor.h"
#include "port/files.h"

namespace aether2onnx::onnx {

/// A value of a graph: an input, an output or the result of a node.
struct ValueInfo {
  std::string name;
  int elem_type = 0;              ///< TensorProto.DataType; 0 if the value is no tensor.
  std::vector<std::string> dims;  ///< Size per axis: a decimal number, a name, or "" if unknown.
  /// Whether the file states a shape. read() sets this member. `dims` is empty if the file states
  /// no shape, but also for a shape without axes (a scalar).
  bool has_shape = false;
};

/// The value of a node's attribute: a number, a text or a list of integers. If an attribute is a
/// tensor, read() stores the tensor in Model::initializers if the node is a Constant of the main
/// graph, otherwise in Model::other_tensors. If an attribute is a graph, read() stores the nodes of
/// this graph in Model::inner_nodes, or in Function::nodes if a function contains the graph. read()
/// leaves out values of other types, for example lists of texts.
using AttributeValue = std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>>;

struct Node {
  std::string name;
  std::string op_type;
  std::string domain;  ///< "" for ONNX's own operators.
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  std::map<std::string, AttributeValue> attributes;
  std::string overload = {};  ///< Separates functions of equal domain and name; usually "".
  /// The names of the outputs of all graphs in the node's attributes (If, Loop, Scan), in the order
  /// of the file.
  std::vector<std::string> graph_outputs = {};
  /// For a node in a function: the attributes of this node that get their values from the node that
  /// calls the function. Each pair has the name of this node's attribute, and the name of the
  /// calling node's attribute with the value.
  std::vector<std::pair<std::string, std::string>> references = {};
  /// For the operator ConstantOfShape: the index in Model::other_tensors of the tensor in the
  /// attribute `value`; nullopt if there is none.
  std::optional<std::size_t> value_tensor = {};
  /// For a node of the main graph: the size of Model::inner_nodes after read() has read this node
  /// and the graphs in this node's attributes. A caller that visits all nodes must visit the
  /// inner nodes with an index below `inner_end` before this node.
  std::size_t inner_end = 0;
};

/// A function that the file itself defines (a model-local function).
struct Function {
  std::string domain;
  std::string name;
  std::string overload;
  std::vector<Node> nodes;  ///< Includes the nodes of inner graphs (If, Loop, Scan).
  std::vector<std::string> inputs = {};
  std::vector<std::string> outputs = {};
  std::vector<ValueInfo> value_info = {};      ///< As Model::value_info.
  std::vector<std::string> inner_inputs = {};  ///< As Model::inner_inputs.
  /// The function's tensors are Model::other_tensors from index `first_tensor` to index
  /// `end_tensor` - 1.
  std::size_t first_tensor = 0;
  std::size_t end_tensor = 0;
};

/// A part of the file that ONNX does not define, for example a field of a later version of ONNX.
struct UnknownPart {
  std::string what;  ///< For example "field 99 of NodeProto".
  std::uint64_t offset = 0;
};

/// A constant of a graph: an initializer, or the tensor of a Constant node.
struct Tensor {
  std::string name;
  int data_type = 0;  ///< TensorProto.DataType.
  std::vector<std::int64_t> dims;

  // The next members are set by read(). They state where the elements of the tensor are.

  /// The offset and size of raw_data in the ONNX file; the size is 0 if the tensor has no raw_data.
  std::uint64_t raw_offset = 0;
  std::uint64_t raw_bytes = 0;
  /// A field other than raw_data that has elements (float_data, int32_data, …). `pieces` lists
  /// these fields in the order of the file.
  struct Piece {
    std::uint64_t field = 0;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };
  std::vector<Piece> pieces = {};
  std::string external_file = {};    ///< The file with external data; "" if there is none.
  std::string external_offset = {};  ///< The decimal offset in this file; "" if not stated.
  std::string external_bytes = {};   ///< The decimal length in bytes; "" if not stated.

  // The next members are used only by write().

  /// A function that returns the elements. Their type is `data_type`.
  TensorLoader load = {};
  /// Whether write() may move the elements to external data. Other tensors stay in the ONNX file.
  bool is_weight = false;
};

using Metadata = std::vector<std::pair<std::string, std::string>>;

/// What an ONNX file contains, except the elements of tensors.
struct Model {
  std::int64_t ir_version = 0;
  std::vector<std::pair<std::string, std::int64_t>> opsets;  ///< Pairs of a domain and a version.
  std::string producer_name;
  std::string producer_version;
  // Tools show the next three values to people. write() writes them; read() leaves them empty.
  std::string domain;
  std::int64_t model_version = 0;
  std::string doc_string;
  std::string graph_name;
  Metadata metadata;
  std::vector<ValueInfo> inputs;
  std::vector<ValueInfo> outputs;
  std::vector<Node> nodes;
  std::vector<Tensor> initializers;
  /// The types of the results of the main graph's nodes. For inner graphs (graphs in attributes of
  /// nodes), read() adds the types of the nodes' results and of the graphs' outputs.
  std::vector<ValueInfo> value_info;
  std::vector<Function> functions;
  /// The nodes of inner graphs (in attributes of If, Loop, Scan) and of training information.
  std::vector<Node> inner_nodes;
  std::vector<std::string> inner_inputs;  ///< The names of the inputs of inner graphs.
  /// All tensors that are not in `initializers`. They come from attributes, inner graphs, functions
  /// and training information. Each sparse tensor adds two tensors (values and indices).
  std::vector<Tensor> other_tensors;
  std::size_t sparse_tensors = 0;  ///< The number of sparse tensors in the whole file.
  /// How deep graphs in attributes (If, Loop) are nested: in the main graph, and in functions. The
  /// depth is 0 if no attribute contains a graph.
  int graph_depth = 0;
  int function_graph_depth = 0;
  /// The names of the sparse initializers of the graph.
  std::vector<std::string> sparse_constants;
  /// The parts of the file that ONNX does not define, at most limits::kListed parts.
  std::vector<UnknownPart> unknown_parts;

  const std::string* find_metadata(std::string_view key) const;
  /// Returns the member of `functions` that `node` calls; null if `node` calls none of them.
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

  /// The index of each function in `functions`, by domain, name and overload. Set by read().
  std::map<std::tuple<std::string, std::string, std::string>, std::size_t> function_places = {};
};

/// Returns whether `domain` is a name for the domain of ONNX's own operators: "" or "ai.onnx".
bool is_onnx_domain(std::string_view domain);

/// Returns the lowest IR version that a model with this opset may have. Source: the table of
/// released versions in ONNX's Versioning.md.
int ir_version(int opset);

/// Returns the version of ONNX's own operators (opset) in the model; 0 if the model states none.
std::int64_t default_opset(const Model& model);

/// Returns the inputs that a caller must supply: the model's inputs without an initializer.
std::vector<const ValueInfo*> open_inputs(const Model& model);

/// Returns the names of all files with external data, each name once, in the order of the model.
std::vector<std::string> external_files(const Model& model);

// --- types ---

/// Returns the name of an element type (TensorProto.DataType) for messages: PyTorch's name, for
/// example "float32". If PyTorch has no such type: ONNX's name. For an unknown number: "type 99".
std::string type_text(int data_type);
/// Converts an element type of ONNX (TensorProto.DataType) to aether2onnx's enum DType. Returns
/// nullopt if read_tensor() does not support the type.
std::optional<DType> dtype_of(int data_type);
/// Converts a DType to ONNX's TensorProto.DataType. `dtype` must be a value that dtype_of() returns
/// for some type of ONNX.
int data_type_of(DType dtype);

// --- reading ---

/// Reads an ONNX file, except the elements of tensors. Trusts nothing in the file. Throws
/// Error(malformed) if the file is damaged or is no ONNX file. Also throws Error(malformed) if
/// different programs would read different values from the file (wire.h has examples); no exporter
/// writes such a file. Throws Error(limit) if the file has more fields and numbers in lists
/// together than Limits::onnx_parts, or if a text has more bytes than Limits::onnx_text.
Model read(const Input& input, const Context& context);

/// Returns whether `external_file` names a file in the model's own folder on every operating
/// system. read_tensor() reads external data only from such files.
bool is_beside(const std::string& external_file);

/// Reads the elements of a tensor of the ONNX file `file`. `siblings` opens the files with external
/// data, which must be in the folder of `file`. `siblings` may be null if the tensor has no
/// external data. Throws Error(unsupported) if the type is not supported, Error(malformed) if the
/// data do not fit the shape, Error(io) if external data are missing.
TensorData read_tensor(const Tensor& tensor, const Input& file, const io::Siblings* siblings);

/// Reads tensors of one ONNX file as read_tensor() does, and counts the bytes of these tensors. The
/// count can be far larger than the files, because many tensors can share the same external data.
/// If the count exceeds a limit, the next read() throws Error(limit). limits::BytesMade computes
/// the limit from the sizes of the ONNX file and of its external data.
class TensorReader {
 public:
  /// `file` and `siblings` must outlive the reader. `siblings` may be null.
  TensorReader(const Input& file, const io::Siblings* siblings)
      : file_(file), siblings_(siblings), made_(file.size()) {}
  TensorData read(const Tensor& tensor);

 private:
  const Input& file_;
  const io::Siblings* siblings_;
  limits::BytesMade made_;
  std::set<std::string> external_files_;
};

// --- writing ---

struct WriteOptions {
  /// If the ONNX file would have more bytes than this threshold, write() moves the weights to
  /// external data.
  std::uint64_t external_data_threshold = ~std::uint64_t{0};
  /// write() calls this function after each initializer, with the bytes of initializers written so
  /// far and the bytes of all initializers. The function may be empty.
  std::function<void(std::uint64_t, std::uint64_t)> progress = {};
  /// Returns metadata, which write() writes instead of Model::metadata. Both metadata must have the
  /// same size in bytes. write() calls this function after the weights are written, so slow work
  /// for the metadata can run while write() writes the weights. The function may be empty.
  std::function<Metadata()> final_metadata = {};
};

struct Written {
  std::uint64_t bytes = 0;
  std::uint64_t external_data_bytes = 0;
};

/// Writes the model to `output` as an ONNX file. Throws Error(limit) if external data are needed
/// but `output.external_data` is null. Also throws the errors of Tensor::load.
Written write(const Model& model, const OutputFiles& output, const WriteOptions& options = {});

// --- changing an ONNX file before a runtime loads the file ---

/// Returns whether any weight or input of the model is float16 or bfloat16.
bool has_half_types(const Model& model);

/// Returns the bytes of an ONNX file that computes in float32, but rounds like a device with 16-bit
/// types. `model` is the result of read() for the file `input`. The weights become float32. Behind
/// each operator with 16-bit results, two Cast nodes round the result to 16 bits and convert the
/// result back to float32. Processors with 16-bit types also accumulate in float32 and round at the
/// end, so their results are like the results of the returned file. ONNX Runtime's CPU provider
/// cannot run the original file like these processors: the provider leaves the roundings out, and
/// lacks most operators for bfloat16. The returned file has all weights, also the weights from
/// external data. Throws Error(limit) if the returned file may reach 2 GiB, Error(malformed) if the
/// input file is damaged, and the errors of read_tensor().
std::string emulate_half_types(const Input& input, const Model& model,
                               const io::Siblings* siblings);

/// Returns bytes to append to an ONNX file, so that the values named in `values` become outputs of
/// the file's graph. Protobuf merges the appended graph message with the graph message of the file.
std::string additional_outputs(const std::vector<std::string>& values);

}  // namespace aether2onnx::onnx
