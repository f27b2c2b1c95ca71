// Writes a Model (onnx.h) as an ONNX file. docs/ExternalData.md in ONNX's repository defines how to
// write external data.

#include <protozero/pbf_writer.hpp>
#include <protozero/varint.hpp>
#include <span>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "formats/onnx/onnx.h"
#include "formats/onnx/proto.h"

namespace aether2onnx::onnx {

namespace {

using protozero::pbf_writer;

// In external data, tensors begin at multiples of this number, as ONNX's documentation asks.
constexpr std::uint64_t kExternalAlignment = 4096;

std::string attribute_message(const std::string& name, const AttributeValue& value) {
  std::string message;
  pbf_writer writer(message);
  writer.add_string(attribute_proto::name, name);
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    writer.add_int64(attribute_proto::i, *number);
    writer.add_enum(attribute_proto::type, attribute_proto::type_int);
  } else if (const auto* real = std::get_if<float>(&value)) {
    writer.add_float(attribute_proto::f, *real);
    writer.add_enum(attribute_proto::type, attribute_proto::type_float);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    writer.add_bytes(attribute_proto::s, *text);
    writer.add_enum(attribute_proto::type, attribute_proto::type_string);
  } else {
    for (const std::int64_t element : std::get<std::vector<std::int64_t>>(value)) {
      writer.add_int64(attribute_proto::ints, element);
    }
    writer.add_enum(attribute_proto::type, attribute_proto::type_ints);
  }
  return message;
}

std::string dim_message(const std::string& dim) {
  std::string message;
  pbf_writer writer(message);
  if (const auto size = parse_number<std::int64_t>(dim)) {
    writer.add_int64(type_proto::dim_value, *size);
  } else if (!dim.empty()) {
    writer.add_string(type_proto::dim_param, dim);
  }
  return message;
}

std::string value_info_message(const ValueInfo& value) {
  std::string shape;
  pbf_writer shape_writer(shape);
  for (const std::string& dim : value.dims) {
    shape_writer.add_message(type_proto::dim, dim_message(dim));
  }
  std::string tensor;
  pbf_writer tensor_writer(tensor);
  tensor_writer.add_enum(type_proto::elem_type, value.elem_type);
  tensor_writer.add_message(type_proto::shape, shape);
  std::string type;
  pbf_writer(type).add_message(type_proto::tensor_type, tensor);
  std::string message;
  pbf_writer writer(message);
  writer.add_string(value_info_proto::name, value.name);
  writer.add_message(value_info_proto::type, type);
  return message;
}

void add_entry(std::string& message, std::uint32_t field, const std::string& key,
               const std::string& value) {
  std::string entry;
  pbf_writer writer(entry);
  writer.add_string(string_string_entry_proto::key, key);
  writer.add_string(string_string_entry_proto::value, value);
  pbf_writer(message).add_message(field, entry);
}

// Appends the tag and length of a length-delimited field, but not the content of the field.
void append_field_header(std::string& out, std::uint32_t field, std::uint64_t length) {
  constexpr auto delimited = static_cast<std::uint32_t>(protozero::pbf_wire_type::length_delimited);
  protozero::write_varint(std::back_inserter(out), (field << 3U) | delimited);
  protozero::write_varint(std::back_inserter(out), length);
}

// A tensor to write. `bytes` is the size of the elements. `external_offset` is the offset of the
// elements in the file for external data; nullopt if the elements go to the ONNX file.
struct Placed {
  const Tensor* tensor = nullptr;
  std::uint64_t bytes = 0;
  std::optional<std::uint64_t> external_offset = {};

  std::uint64_t inside() const { return external_offset ? 0 : bytes; }
};

Placed place(const Tensor& tensor) {
  const auto elements = checked_product(tensor.dims);
  const auto dtype = dtype_of(tensor.data_type);
  require(elements && dtype, "the size of a weight is unknown");
  const auto bytes =
      checked_multiply(static_cast<std::uint64_t>(*elements), std::uint64_t{size_of(*dtype)});
  require(bytes.has_value(), "a weight has 2^64 bytes or more");
  return {&tensor, *bytes};
}

// Returns an initializer's field in the graph message, but without the elements. The elements are
// the last bytes of the field, and Writer appends the elements later. If the elements are in
// external data, the returned field is complete.
std::string field_of(const Placed& placed, const std::string& external_name) {
  std::string message = tensor_head(*placed.tensor);
  if (placed.external_offset) {
    constexpr std::uint32_t field = tensor_proto::external_data;
    add_entry(message, field, "location", external_name);
    add_entry(message, field, "offset", fmt::format("{}", *placed.external_offset));
    add_entry(message, field, "length", fmt::format("{}", placed.bytes));
    pbf_writer(message).add_enum(tensor_proto::data_location, tensor_proto::location_external);
  } else {
    append_field_header(message, tensor_proto::raw_data, placed.bytes);
  }
  std::string header;
  append_field_header(header, graph_proto::initializer, message.size() + placed.inside());
  return header + message;
}

// Returns the fields of the graph message that write() puts before the initializers.
std::string nodes_part(const Model& model) {
  std::string part;
  pbf_writer writer(part);
  for (const Node& node : model.nodes) writer.add_message(graph_proto::node, node_message(node));
  writer.add_string(graph_proto::name, model.graph_name);
  return part;
}

// Returns the fields of the graph message that write() puts behind the initializers.
std::string values_part(const Model& model) {
  std::string part;
  pbf_writer writer(part);
  const auto add = [&](std::uint32_t field, const std::vector<ValueInfo>& values) {
    for (const ValueInfo& value : values) writer.add_message(field, value_info_message(value));
  };
  add(graph_proto::input, model.inputs);
  add(graph_proto::output, model.outputs);
  add(graph_proto::value_info, model.value_info);
  return part;
}

// Returns the model's fields before the graph, and the tag and length of the graph message.
std::string model_head(const Model& model, std::uint64_t graph_bytes) {
  std::string head;
  pbf_writer writer(head);
  writer.add_int64(model_proto::ir_version, model.ir_version);
  writer.add_string(model_proto::producer_name, model.producer_name);
  writer.add_string(model_proto::producer_version, model.producer_version);
  writer.add_string(model_proto::domain, model.domain);
  writer.add_int64(model_proto::model_version, model.model_version);
  writer.add_string(model_proto::doc_string, model.doc_string);
  append_field_header(head, model_proto::graph, graph_bytes);
  return head;
}

// Returns the fields of the model that write() puts behind the graph.
std::string model_tail(const Model& model, const Metadata& metadata) {
  std::string tail;
  for (const auto& [domain, version] : model.opsets) {
    std::string opset;
    pbf_writer writer(opset);
    writer.add_string(operator_set_id_proto::domain, domain);
    writer.add_int64(operator_set_id_proto::version, version);
    pbf_writer(tail).add_message(model_proto::opset_import, opset);
  }
  for (const auto& [key, value] : metadata) {
    add_entry(tail, model_proto::metadata_props, key, value);
  }
  return tail;
}

class Writer {
 public:
  Writer(const Model& model, const OutputFiles& output, const WriteOptions& options)
      : model_(model), output_(output), options_(options) {}

  Written run() {
    for (const Tensor& tensor : model_.initializers) {
      tensors_.push_back(place(tensor));
      total_ += tensors_.back().bytes;
    }
    const std::string nodes = nodes_part(model_);
    const std::string values = values_part(model_);
    const auto head = [&] {
      return model_head(model_, nodes.size() + initializers_bytes() + values.size()) + nodes;
    };
    std::string tail = model_tail(model_, model_.metadata);
    const std::uint64_t size = head().size() + initializers_bytes() + values.size() + tail.size();
    if (size > options_.external_data_threshold) move_outside(size);

    put(head());
    for (const Placed& placed : tensors_) put(placed);
    put(values);
    if (options_.final_metadata) {
      const std::size_t expected = tail.size();
      tail = model_tail(model_, options_.final_metadata());
      require(tail.size() == expected,
              "WriteOptions::final_metadata and Model::metadata must have equal sizes");
    }
    put(tail);
    return written_;
  }

 private:
  std::uint64_t initializers_bytes() const {
    std::uint64_t total = 0;
    for (const Placed& placed : tensors_) {
      total += field_of(placed, output_.external_data_name).size() + placed.inside();
    }
    return total;
  }

  void move_outside(std::uint64_t size) {
    if (output_.external_data == nullptr) {
      fail({ErrorKind::limit, "onnx-file-size", {}, {}, fmt::format("{}", size)},
           "the model would take {}, more than an ONNX file may have. The caller gave no second "
           "file for external data.",
           human_bytes(size));
    }
    std::uint64_t offset = 0;
    for (Placed& placed : tensors_) {
      if (!placed.tensor->is_weight) continue;
      placed.external_offset = offset;
      offset += placed.bytes;
      offset += (kExternalAlignment - offset % kExternalAlignment) % kExternalAlignment;
    }
  }

  void put(const std::string& bytes) { put(std::as_bytes(std::span(bytes))); }

  void put(std::span<const std::byte> bytes) {
    output_.model->write(bytes);
    written_.bytes += bytes.size();
  }

  void put(const Placed& placed) {
    put(field_of(placed, output_.external_data_name));
    TensorData data = placed.tensor->load();
    require(
        data_type_of(data.dtype) == placed.tensor->data_type && data.bytes.size() == placed.bytes,
        "the loader of a weight returned another type or size than the model states");
    convert_byte_order(data.bytes, data.dtype);
    if (placed.external_offset) {
      const std::uint64_t padding = *placed.external_offset - written_.external_data_bytes;
      put_outside(std::vector<std::byte>(to_size(padding)));
      put_outside(data.bytes);
    } else {
      put(data.bytes);
    }
    done_ += placed.bytes;
    if (options_.progress) options_.progress(done_, total_);
  }

  void put_outside(std::span<const std::byte> bytes) {
    output_.external_data->write(bytes);
    written_.external_data_bytes += bytes.size();
  }

  const Model& model_;
  const OutputFiles& output_;
  const WriteOptions& options_;
  std::vector<Placed> tensors_;
  Written written_;
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
};

}  // namespace

std::string node_message(const Node& node) {
  std::string message;
  pbf_writer writer(message);
  for (const std::string& input : node.inputs) writer.add_string(node_proto::input, input);
  for (const std::string& output : node.outputs) writer.add_string(node_proto::output, output);
  writer.add_string(node_proto::name, node.name);
  writer.add_string(node_proto::op_type, node.op_type);
  for (const auto& [name, value] : node.attributes) {
    writer.add_message(node_proto::attribute, attribute_message(name, value));
  }
  if (!node.domain.empty()) writer.add_string(node_proto::domain, node.domain);
  return message;
}

std::string tensor_head(const Tensor& tensor) {
  std::string message;
  pbf_writer writer(message);
  for (const std::int64_t dim : tensor.dims) writer.add_int64(tensor_proto::dims, dim);
  writer.add_enum(tensor_proto::data_type, tensor.data_type);
  writer.add_string(tensor_proto::name, tensor.name);
  return message;
}

Written write(const Model& model, const OutputFiles& output, const WriteOptions& options) {
  return Writer(model, output, options).run();
}

}  // namespace aether2onnx::onnx
