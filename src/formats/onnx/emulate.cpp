// Converts 16-bit ONNX files to float32. Copies the protobuf messages of the file, and changes some
// of their fields. The structs of onnx.h (Model, Node, …) do not store all fields of a file, so a
// file that is written from these structs would lack some fields.

#include "formats/onnx/emulate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <map>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>
#include <set>
#include <string_view>
#include <utility>

#include "base/checked.h"
#include "base/dtype.h"
#include "base/error.h"
#include "formats/onnx/proto.h"

namespace aether2onnx::onnx {

namespace {

using protozero::data_view;
using protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::pbf_writer;

bool is_half(std::int64_t type) {
  return type == tensor_proto::type_float16 || type == tensor_proto::type_bfloat16;
}

bool is_floating(std::int64_t type) {
  return is_half(type) || type == tensor_proto::type_float || type == tensor_proto::type_double;
}

// Returns whether the reader's current field has the number `tag` and contains bytes or a message.
bool is_delimited(const pbf_reader& reader, std::uint32_t tag) {
  return reader.tag() == tag && reader.wire_type() == pbf_wire_type::length_delimited;
}

// Copies the reader's current field unchanged. Saves the tag first, because reading the value may
// reset the reader's tag.
void copy_field(pbf_reader& reader, pbf_writer& writer) {
  const std::uint32_t tag = reader.tag();
  switch (reader.wire_type()) {
    case pbf_wire_type::varint:
      writer.add_uint64(tag, reader.get_uint64());
      break;
    case pbf_wire_type::fixed64:
      writer.add_fixed64(tag, reader.get_fixed64());
      break;
    case pbf_wire_type::fixed32:
      writer.add_fixed32(tag, reader.get_fixed32());
      break;
    default:
      writer.add_bytes(tag, reader.get_view());
      break;
  }
}

// Copies a protobuf message field by field. For each field, `change` may read the field, write
// another field and return true. If `change` returns false, the field is copied unchanged.
template <typename Change>
std::string copy_message(data_view message, Change change) {
  std::string result;
  pbf_writer writer(result);
  pbf_reader reader(message);
  while (reader.next()) {
    if (!change(reader, writer)) copy_field(reader, writer);
  }
  return result;
}

// Copies a message. If a field has the number `tag`, change() gets the content of this field and
// returns the content for the copy.
template <typename Change>
std::string with_changed(data_view message, std::uint32_t tag, Change change) {
  return copy_message(message, [&](pbf_reader& reader, pbf_writer& writer) {
    if (!is_delimited(reader, tag)) return false;
    writer.add_message(tag, change(reader.get_view()));
    return true;
  });
}

// Copies a message in which the field `tag` is an element type. A 16-bit type becomes float32.
std::string with_wide_type(data_view message, std::uint32_t tag) {
  return copy_message(message, [tag](pbf_reader& reader, pbf_writer& writer) {
    if (reader.tag() != tag || reader.wire_type() != pbf_wire_type::varint) return false;
    const std::int64_t type = reader.get_int64();
    writer.add_int64(tag, is_half(type) ? std::int64_t{tensor_proto::type_float} : type);
    return true;
  });
}

// Copies a ValueInfoProto. A 16-bit element type becomes float32 in the copy.
std::string with_wide_value(data_view value) {
  return with_changed(value, value_info_proto::type, [](data_view type) {
    return with_changed(type, type_proto::tensor_type, [](data_view tensor) {
      return with_wide_type(tensor, type_proto::elem_type);
    });
  });
}

void add_cast(pbf_writer& graph, const std::string& name, const std::string& from,
              const std::string& to, std::int64_t type) {
  graph.add_message(graph_proto::node,
                    node_message({name, "Cast", "", {from}, {to}, {{"to", type}}}));
}

// Returns whether add_tensor() must write the tensor anew: a 16-bit tensor becomes float32, and
// external data move into the new ONNX file. All other tensors are copied unchanged.
bool is_rewritten(const Tensor& tensor) {
  return is_half(tensor.data_type) || !tensor.external_file.empty();
}

// Throws Error(limit) if the rewritten model may reach 2 GiB, because ONNX Runtime cannot load such
// a model from memory. Many tensors can share the same external data, and each tensor gets a copy
// of these data. So even small files can lead to a large model.
void check_size(const Input& input, const Model& model) {
  constexpr std::uint64_t most = 0x7fffffff;  // the largest protobuf message
  std::uint64_t bytes = std::min<std::uint64_t>(input.size(), most + 1);
  for (const Tensor& tensor : model.initializers) {
    const auto elements = checked_product(tensor.dims);
    const auto dtype =
        dtype_of(is_half(tensor.data_type) ? int{tensor_proto::type_float} : tensor.data_type);
    if (!is_rewritten(tensor) || !elements || !dtype) continue;  // read_tensor() reports the rest
    bytes += std::min<std::uint64_t>(static_cast<std::uint64_t>(*elements), most) * size_of(*dtype);
    if (bytes > most) break;
  }
  if (bytes <= most) return;
  fail({ErrorKind::limit, "onnx-memory-size"},
       "aether2onnx must run this 16-bit model in float32. In float32, the model would take over "
       "2 GiB, more than ONNX Runtime loads from memory.\nGive a smaller model.");
}

class Emulator {
 public:
  Emulator(const Input& input, const Model& model, const io::Siblings* siblings, bool rounds)
      : input_(input),
        model_(model),
        siblings_(siblings),
        rounds_(rounds),
        bytes_(to_size(input.size()), '\0') {
    input.read(0, std::as_writable_bytes(std::span(bytes_)));
    for (const Tensor& tensor : model.initializers) types_[tensor.name] = tensor.data_type;
    for (const ValueInfo& value : model.inputs) {
      const auto [known, is_new] = types_.emplace(value.name, value.elem_type);
      if (rounds_ && is_new && is_half(value.elem_type)) rounded_inputs_.insert(value.name);
    }
  }

  std::string run() {
    return with_changed(data_view(bytes_), model_proto::graph,
                        [this](data_view graph) { return rewrite(graph); });
  }

 private:
  // Rewrites the model's graph (a GraphProto message). Puts two things before the old content: the
  // Cast nodes that round the model's inputs, and all tensors that is_rewritten() selects. Only the
  // first GraphProto gets this new content, but read() refuses files with two GraphProtos anyway.
  std::string rewrite(data_view graph) {
    std::string added;
    if (!std::exchange(begun_, true)) {
      pbf_writer writer(added);
      for (const std::string& name : rounded_inputs_) round(writer, name, name, name + kRounded);
      for (const Tensor& tensor : model_.initializers) {
        if (is_rewritten(tensor)) add_tensor(writer, tensor);
      }
    }
    return added += copy_message(graph, [this](pbf_reader& reader, pbf_writer& writer) {
             return change(reader, writer);
           });
  }

  bool change(pbf_reader& reader, pbf_writer& writer) {
    const std::uint32_t tag = reader.tag();
    if (is_delimited(reader, graph_proto::node)) {
      if (next_node_ == model_.nodes.size()) {
        fail({ErrorKind::malformed, "onnx-malformed"},
             "the ONNX file is damaged or has changed: aether2onnx read the file twice and found "
             "more nodes the second time.");
      }
      add_node(writer, reader.get_view(), model_.nodes[next_node_++]);
    } else if (is_delimited(reader, graph_proto::initializer)) {
      add_initializer(writer, reader.get_view());
    } else if (is_delimited(reader, graph_proto::input) ||
               is_delimited(reader, graph_proto::output)) {
      writer.add_message(tag, with_wide_value(reader.get_view()));
    } else if (tag == graph_proto::value_info) {
      reader.skip();  // dropped, because ONNX Runtime infers these types itself
    } else {
      return false;
    }
    return true;
  }

  // Adds two Cast nodes. The first node rounds the value `from` to the 16-bit type that the value
  // `name` has in the original file. The second node converts the result to the float32 value `to`.
  void round(pbf_writer& graph, const std::string& name, const std::string& from,
             const std::string& to) const {
    const std::string half = name + kHalf;
    add_cast(graph, half, from, half, types_.at(name));
    add_cast(graph, to + "_from_half", half, to, tensor_proto::type_float);
  }

  // Adds a tensor, as float32 if its type has 16 bits, with its elements inside the ONNX file.
  void add_tensor(pbf_writer& graph, const Tensor& tensor) {
    TensorData data = read_tensor(tensor, input_, siblings_);
    int type = tensor.data_type;
    if (is_half(type)) {
      std::vector<std::byte> wide;
      convert_elements(data.bytes, data.dtype, DType::float32, wide);
      if (!rounds_) restore_root(wide);
      data = {DType::float32, data.shape, std::move(wide)};
      type = tensor_proto::type_float;
    }
    convert_byte_order(data.bytes, data.dtype);
    std::string message = tensor_head({tensor.name, type, tensor.dims});
    pbf_writer(message).add_bytes(tensor_proto::raw_data,
                                  reinterpret_cast<const char*>(data.bytes.data()),
                                  data.bytes.size());
    graph.add_message(graph_proto::initializer, message);
    added_.insert(tensor.name);
  }

  // If `elements` is one number, and this number is the square root of 2 or the inverse of this
  // root, rounded to 16 bits, writes the precise float32 value instead. A GELU that is built from
  // simple operators contains this constant. `verify` compares the model with a reference network
  // that has the precise constant, and could report the rounded constant as a mistake in the model.
  static void restore_root(std::vector<std::byte>& elements) {
    float number = 0;
    if (elements.size() != sizeof(number)) return;
    std::memcpy(&number, elements.data(), sizeof(number));
    for (const float root : {1.4142135F, 0.70710677F}) {
      constexpr float unit = 0x1p-8F;  // relative rounding error of bfloat16, the coarser type
      if (std::abs(number - root) <= unit * root) number = root;
    }
    std::memcpy(elements.data(), &number, sizeof(number));
  }

  void add_initializer(pbf_writer& graph, data_view message) const {
    pbf_reader reader(message);
    std::string name;
    while (reader.next(tensor_proto::name, pbf_wire_type::length_delimited)) {
      name = reader.get_string();
    }
    if (!added_.contains(name)) graph.add_bytes(graph_proto::initializer, message);
  }

  // Returns the element type of result number `index` of a node in the original file; 0 if the type
  // is unknown, an integer type or bool. For most operators, the type of the result is the type of
  // the first floating-point input.
  int made_type(const Node& node, std::size_t index) const {
    if (node.op_type == "Cast") {
      const auto to = node.attributes.find("to");
      const bool known =
          to != node.attributes.end() && std::holds_alternative<std::int64_t>(to->second);
      return known ? static_cast<int>(std::get<std::int64_t>(to->second)) : 0;
    }
    if (std::find(kNeverFloating.begin(), kNeverFloating.end(), node.op_type) !=
        kNeverFloating.end()) {
      return 0;
    }
    const bool has_indices = node.op_type == "MaxPool" || node.op_type == "TopK";
    if (has_indices && index > 0) return 0;
    for (const std::string& name : node.inputs) {
      const auto type = types_.find(name);
      if (type != types_.end() && is_floating(type->second)) return type->second;
    }
    return 0;
  }

  void add_node(pbf_writer& graph, data_view message, const Node& node) {
    if (node.op_type == "Constant" && node.outputs.size() == 1 &&
        types_.contains(node.outputs[0])) {
      // read() lists the tensor of a Constant node as an initializer. If add_tensor() has written
      // this tensor as an initializer, add_node() leaves the Constant node out. Otherwise the new
      // file would define the value twice.
      if (!added_.contains(node.outputs[0])) graph.add_bytes(graph_proto::node, message);
      return;
    }
    std::size_t next_output = 0;
    const auto rounds = [&](std::size_t index) {
      const bool is_left_out = index < node.outputs.size() && node.outputs[index].empty();
      return rounds_ && !is_left_out && is_half(made_type(node, index));
    };
    const auto change = [&](pbf_reader& reader, pbf_writer& writer) {
      if (is_delimited(reader, node_proto::input)) {
        const std::string name = reader.get_string();
        writer.add_string(node_proto::input,
                          rounded_inputs_.contains(name) ? name + kRounded : name);
      } else if (is_delimited(reader, node_proto::output)) {
        const std::string name = reader.get_string();
        writer.add_string(node_proto::output, rounds(next_output++) ? name + kUnrounded : name);
      } else if (node.op_type == "Cast" && is_delimited(reader, node_proto::attribute)) {
        writer.add_message(node_proto::attribute,
                           with_wide_type(reader.get_view(), attribute_proto::i));
      } else {
        return false;
      }
      return true;
    };
    graph.add_message(graph_proto::node, copy_message(message, change));
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      const std::string& name = node.outputs[i];
      types_[name] = made_type(node, i);
      if (rounds(i)) round(graph, name, name + kUnrounded, name);
    }
  }

  // Operators whose results are integers or bools although an input is floating-point.
  static constexpr std::array kNeverFloating = std::to_array<std::string_view>(
      {"ArgMax", "ArgMin", "Equal", "Greater", "GreaterOrEqual", "IsInf", "IsNaN", "Less",
       "LessOrEqual", "NonMaxSuppression", "NonZero", "QuantizeLinear", "Shape", "Size"});
  static constexpr const char* kUnrounded = "/unrounded";
  static constexpr const char* kHalf = "/half";
  static constexpr const char* kRounded = "/rounded";

  const Input& input_;
  const Model& model_;
  const io::Siblings* siblings_;
  bool rounds_;
  std::string bytes_;
  bool begun_ = false;
  std::size_t next_node_ = 0;
  std::map<std::string, int> types_;  // the element types of all values so far
  std::set<std::string> rounded_inputs_;
  std::set<std::string> added_;  // the names of the tensors that add_tensor() has written
};

}  // namespace

bool has_half_types(const Model& model) {
  const auto is_half_value = [](const ValueInfo& value) { return is_half(value.elem_type); };
  return std::any_of(model.initializers.begin(), model.initializers.end(),
                     [](const Tensor& tensor) { return is_half(tensor.data_type); }) ||
         std::any_of(model.inputs.begin(), model.inputs.end(), is_half_value);
}

namespace {

std::string emulate(const Input& input, const Model& model, const io::Siblings* siblings,
                    bool rounds) {
  check_size(input, model);
  try {
    return Emulator(input, model, siblings, rounds).run();
  } catch (const protozero::exception& error) {
    fail({ErrorKind::malformed, "onnx-malformed"}, "the ONNX file is damaged: {}.", error.what());
  }
}

}  // namespace

std::string emulate_half_types(const Input& input, const Model& model,
                               const io::Siblings* siblings) {
  return emulate(input, model, siblings, true);
}

std::string widen_half_types(const Input& input, const Model& model, const io::Siblings* siblings) {
  return emulate(input, model, siblings, false);
}

std::string additional_outputs(const std::vector<std::string>& values) {
  std::string graph;
  for (const std::string& value : values) {
    std::string info;
    pbf_writer(info).add_string(value_info_proto::name, value);
    pbf_writer(graph).add_message(graph_proto::output, info);
  }
  std::string model;
  pbf_writer(model).add_message(model_proto::graph, graph);
  return model;
}

}  // namespace aether2onnx::onnx
