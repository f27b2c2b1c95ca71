// A model of 16-bit types as one of float32 that rounds where the other would.

#include <algorithm>
#include <bit>
#include <map>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>
#include <set>
#include <utility>

#include "base/checked.h"
#include "base/error.h"
#include "formats/onnx/onnx.h"
#include "formats/onnx/proto.h"

namespace aether2onnx::onnx {

namespace {

using protozero::data_view;
using protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::pbf_writer;

bool is_half(int type) {
  return type == tensor_proto::type_float16 || type == tensor_proto::type_bfloat16;
}

bool is_floating(int type) {
  return is_half(type) || type == tensor_proto::type_float || type == tensor_proto::type_double;
}

// Takes the field that the reader stands at over as it is.
void copy_field(pbf_reader& reader, pbf_writer& writer) {
  switch (reader.wire_type()) {
    case pbf_wire_type::varint:
      writer.add_uint64(reader.tag(), reader.get_uint64());
      break;
    case pbf_wire_type::fixed64:
      writer.add_fixed64(reader.tag(), reader.get_fixed64());
      break;
    case pbf_wire_type::fixed32:
      writer.add_fixed32(reader.tag(), reader.get_fixed32());
      break;
    default:
      writer.add_bytes(reader.tag(), reader.get_view());
      break;
  }
}

// A message with each field of the number `tag` replaced by what `change` makes of its content.
template <typename Change>
std::string with_changed(data_view message, std::uint32_t tag, Change change) {
  std::string result;
  pbf_writer writer(result);
  pbf_reader reader(message);
  while (reader.next()) {
    if (reader.tag() == tag && reader.wire_type() == pbf_wire_type::length_delimited) {
      writer.add_message(tag, change(reader.get_view()));
    } else {
      copy_field(reader, writer);
    }
  }
  return result;
}

// A ValueInfoProto whose element type, where it is a 16-bit one, is float32.
std::string widened_value(data_view value) {
  const auto widen = [](data_view tensor) {
    std::string result;
    pbf_writer writer(result);
    pbf_reader reader(tensor);
    while (reader.next()) {
      if (reader.tag() == type_proto::elem_type && reader.wire_type() == pbf_wire_type::varint) {
        const auto type = reader.get_enum();
        writer.add_enum(type_proto::elem_type,
                        is_half(type) ? static_cast<int>(tensor_proto::type_float) : type);
      } else {
        copy_field(reader, writer);
      }
    }
    return result;
  };
  return with_changed(value, value_info_proto::type, [&](data_view type) {
    return with_changed(type, type_proto::tensor_type, widen);
  });
}

void add_cast(pbf_writer& graph, const std::string& name, const std::string& from,
              const std::string& to, int type) {
  std::string attribute;
  pbf_writer attribute_writer(attribute);
  attribute_writer.add_string(attribute_proto::name, "to");
  attribute_writer.add_int64(attribute_proto::i, type);
  attribute_writer.add_enum(attribute_proto::type, attribute_proto::type_int);
  std::string node;
  pbf_writer writer(node);
  writer.add_string(node_proto::input, from);
  writer.add_string(node_proto::output, to);
  writer.add_string(node_proto::name, name);
  writer.add_string(node_proto::op_type, "Cast");
  writer.add_message(node_proto::attribute, attribute);
  graph.add_message(graph_proto::node, node);
}

class Emulator {
 public:
  Emulator(const Input& input, const File& file, const io::Siblings* siblings)
      : input_(input), file_(file), siblings_(siblings), bytes_(to_size(input.size()), '\0') {
    input.read(0, std::as_writable_bytes(std::span(bytes_)));
    for (const FileTensor& tensor : file.initializers) types_[tensor.name] = tensor.data_type;
    for (const FileValue& value : file.inputs) {
      const auto [known, is_new] = types_.emplace(value.name, value.elem_type);
      if (is_new && is_half(value.elem_type)) rounded_inputs_.insert(value.name);
    }
  }

  std::string run() {
    return with_changed(data_view(bytes_), model_proto::graph,
                        [this](data_view graph) { return rewrite(graph); });
  }

 private:
  // A file may have its graph in several messages, which count as one.
  std::string rewrite(data_view graph) {
    std::string result;
    pbf_writer writer(result);
    if (!std::exchange(begun_, true)) {
      for (const std::string& name : rounded_inputs_) {
        round(writer, name, name, name + kRounded);
      }
      for (const FileTensor& tensor : file_.initializers) {
        if (is_half(tensor.data_type)) add_widened(writer, tensor);
      }
    }
    pbf_reader reader(graph);
    while (reader.next()) {
      const std::uint32_t tag = reader.tag();
      const bool message = reader.wire_type() == pbf_wire_type::length_delimited;
      if (message && tag == graph_proto::node) {
        if (next_node_ == file_.nodes.size()) {
          fail(ErrorKind::malformed, "the ONNX file is damaged.");
        }
        add_node(writer, reader.get_view(), file_.nodes[next_node_++]);
      } else if (message && tag == graph_proto::initializer) {
        add_initializer(writer, reader.get_view());
      } else if (message && (tag == graph_proto::input || tag == graph_proto::output)) {
        writer.add_message(tag, widened_value(reader.get_view()));
      } else if (tag == graph_proto::value_info) {
        reader.skip();  // is inferred anew
      } else {
        copy_field(reader, writer);
      }
    }
    return result;
  }

  // `to` is `from` rounded to the 16-bit type that `name` has, as float32.
  void round(pbf_writer& graph, const std::string& name, const std::string& from,
             const std::string& to) const {
    const std::string half = name + kHalf;
    add_cast(graph, half, from, half, types_.at(name));
    add_cast(graph, to + "_from_half", half, to, tensor_proto::type_float);
  }

  void add_widened(pbf_writer& graph, const FileTensor& tensor) const {
    const TensorData data = read_tensor(tensor, input_, siblings_);
    std::vector<std::byte> wide;
    convert_elements(data.bytes, data.dtype, DType::float32, wide);
    if constexpr (std::endian::native == std::endian::big) swap_byte_order(wide, sizeof(float));
    std::string message;
    pbf_writer writer(message);
    for (const std::int64_t dim : tensor.dims) writer.add_int64(tensor_proto::dims, dim);
    writer.add_enum(tensor_proto::data_type, tensor_proto::type_float);
    writer.add_string(tensor_proto::name, tensor.name);
    writer.add_bytes(tensor_proto::raw_data, reinterpret_cast<const char*>(wide.data()),
                     wide.size());
    graph.add_message(graph_proto::initializer, message);
  }

  static void add_initializer(pbf_writer& graph, data_view message) {
    pbf_reader reader(message);
    while (reader.next(tensor_proto::data_type, pbf_wire_type::varint)) {
      if (is_half(reader.get_enum())) return;  // add_widened() has written it
    }
    graph.add_bytes(graph_proto::initializer, message);
  }

  // The type of what a node makes: that of its first floating-point input.
  int made_type(const FileNode& node) const {
    if (node.op_type == "Cast") {
      const auto to = node.attributes.find("to");
      const bool known =
          to != node.attributes.end() && std::holds_alternative<std::int64_t>(to->second);
      return known ? static_cast<int>(std::get<std::int64_t>(to->second)) : 0;
    }
    if (node.op_type == "Shape" || node.op_type == "Size") return tensor_proto::type_int64;
    for (const std::string& name : node.inputs) {
      const auto type = types_.find(name);
      if (type != types_.end() && is_floating(type->second)) return type->second;
    }
    return 0;
  }

  void add_node(pbf_writer& graph, data_view message, const FileNode& node) {
    if (node.op_type == "Constant" && node.outputs.size() == 1 &&
        types_.contains(node.outputs[0])) {
      // Its tensor is among the file's initializers.
      if (!is_half(types_.at(node.outputs[0]))) graph.add_bytes(graph_proto::node, message);
      return;
    }
    const int type = made_type(node);
    std::string rewritten;
    pbf_writer writer(rewritten);
    pbf_reader reader(message);
    while (reader.next()) {
      const bool text = reader.wire_type() == pbf_wire_type::length_delimited;
      if (text && reader.tag() == node_proto::input) {
        const std::string name = reader.get_string();
        writer.add_string(node_proto::input,
                          rounded_inputs_.contains(name) ? name + kRounded : name);
      } else if (text && reader.tag() == node_proto::output) {
        const std::string name = reader.get_string();
        writer.add_string(node_proto::output, is_half(type) ? name + kUnrounded : name);
      } else if (text && reader.tag() == node_proto::attribute && node.op_type == "Cast") {
        writer.add_message(node_proto::attribute, widened_attribute(reader.get_view()));
      } else {
        copy_field(reader, writer);
      }
    }
    graph.add_message(graph_proto::node, rewritten);
    for (const std::string& name : node.outputs) {
      types_[name] = type;
      if (is_half(type)) round(graph, name, name + kUnrounded, name);
    }
  }

  // The attribute `to` of a Cast.
  static std::string widened_attribute(data_view attribute) {
    std::string result;
    pbf_writer writer(result);
    pbf_reader reader(attribute);
    while (reader.next()) {
      if (reader.tag() == attribute_proto::i && reader.wire_type() == pbf_wire_type::varint) {
        const std::int64_t to = reader.get_int64();
        const bool half = to == tensor_proto::type_float16 || to == tensor_proto::type_bfloat16;
        writer.add_int64(attribute_proto::i, half ? std::int64_t{tensor_proto::type_float} : to);
      } else {
        copy_field(reader, writer);
      }
    }
    return result;
  }

  static constexpr const char* kUnrounded = "/unrounded";
  static constexpr const char* kHalf = "/half";
  static constexpr const char* kRounded = "/rounded";

  const Input& input_;
  const File& file_;
  const io::Siblings* siblings_;
  std::string bytes_;
  bool begun_ = false;
  std::size_t next_node_ = 0;
  std::map<std::string, int> types_;  // of the values so far
  std::set<std::string> rounded_inputs_;
};

}  // namespace

bool has_half_types(const File& file) {
  const auto is_half_value = [](const FileValue& value) { return is_half(value.elem_type); };
  return std::any_of(file.initializers.begin(), file.initializers.end(),
                     [](const FileTensor& tensor) { return is_half(tensor.data_type); }) ||
         std::any_of(file.inputs.begin(), file.inputs.end(), is_half_value);
}

std::string emulate_half_types(const Input& input, const File& file, const io::Siblings* siblings) {
  try {
    return Emulator(input, file, siblings).run();
  } catch (const protozero::exception& error) {
    fail(ErrorKind::malformed, "the ONNX file is damaged: {}.", error.what());
  }
}

}  // namespace aether2onnx::onnx
