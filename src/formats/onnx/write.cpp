// The wire format, written. External data: docs/ExternalData.md in ONNX's repository.

#include <bit>
#include <protozero/pbf_writer.hpp>
#include <protozero/varint.hpp>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "formats/onnx/onnx.h"
#include "formats/onnx/proto.h"

namespace aether2onnx::onnx {

namespace {

using graph::Graph;
using graph::Initializer;
using graph::Node;
using graph::Value;
using graph::ValueId;
using protozero::pbf_writer;

// Where the ONNX documentation wants tensors in external data to begin.
constexpr std::uint64_t kExternalAlignment = 4096;

int onnx_type(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return tensor_proto::type_float;
    case DType::float16:
      return tensor_proto::type_float16;
    case DType::bfloat16:
      return tensor_proto::type_bfloat16;
    case DType::int64:
      return tensor_proto::type_int64;
    default:
      defect("a type that isn't written");
  }
}

std::string attribute_message(const std::string& name, const graph::AttributeValue& value) {
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

std::string node_message(const Graph& graph, const Node& node) {
  std::string message;
  pbf_writer writer(message);
  for (const ValueId id : node.inputs) {
    writer.add_string(node_proto::input,
                      id == graph::kNoInput ? std::string() : graph.value(id).name);
  }
  writer.add_string(node_proto::output, graph.value(node.output).name);
  writer.add_string(node_proto::name, node.name);
  writer.add_string(node_proto::op_type, node.op);
  for (const auto& [name, value] : node.attributes) {
    writer.add_message(node_proto::attribute, attribute_message(name, value));
  }
  return message;
}

std::string value_info_message(const Graph& graph, ValueId id) {
  const Value& value = graph.value(id);
  std::string shape;
  pbf_writer shape_writer(shape);
  for (const graph::Dim& dim : value.shape) {
    std::string dim_message;
    pbf_writer dim_writer(dim_message);
    if (dim.symbol == graph::Symbol::none) {
      dim_writer.add_int64(type_proto::dim_value, dim.value);
    } else {
      dim_writer.add_string(type_proto::dim_param, dim_text(dim, graph, id));
    }
    shape_writer.add_message(type_proto::dim, dim_message);
  }
  std::string tensor;
  pbf_writer tensor_writer(tensor);
  tensor_writer.add_enum(type_proto::elem_type, onnx_type(value.dtype));
  tensor_writer.add_message(type_proto::shape, shape);
  std::string type;
  pbf_writer(type).add_message(type_proto::tensor_type, tensor);

  std::string message;
  pbf_writer writer(message);
  writer.add_string(value_info_proto::name, value.name);
  writer.add_message(value_info_proto::type, type);
  return message;
}

void append_varint(std::string& out, std::uint64_t value) {
  protozero::write_varint(std::back_inserter(out), value);
}

// The tag and length of a length-delimited field, without its content.
void append_field_header(std::string& out, std::uint32_t field, std::uint64_t length) {
  append_varint(
      out, (field << 3U) | static_cast<std::uint32_t>(protozero::pbf_wire_type::length_delimited));
  append_varint(out, length);
}

std::uint64_t field_size(std::uint32_t field, std::uint64_t length) {
  std::string header;
  append_field_header(header, field, length);
  return header.size() + length;
}

// One initializer on its way to the file.
struct PendingTensor {
  const Initializer* initializer = nullptr;
  std::uint64_t data_bytes = 0;
  bool external = false;
  std::uint64_t external_offset = 0;
  std::string header;  // the message up to the data, which is its last field where not external

  std::uint64_t message_bytes() const { return header.size() + (external ? 0 : data_bytes); }
};

std::vector<PendingTensor> pending_tensors(const Graph& graph) {
  std::vector<PendingTensor> tensors;
  for (const Initializer& initializer : graph.initializers()) {
    PendingTensor tensor;
    tensor.initializer = &initializer;
    const Value& value = graph.value(initializer.value);
    std::optional<std::uint64_t> bytes = size_of(value.dtype);
    for (const graph::Dim& dim : value.shape) {
      if (bytes) bytes = checked_multiply(*bytes, static_cast<std::uint64_t>(dim.value));
    }
    require(bytes.has_value(), "a weight of over 2^64 bytes");
    tensor.data_bytes = *bytes;
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

void add_entry(pbf_writer& writer, std::uint32_t field, const std::string& key,
               const std::string& value) {
  std::string entry;
  pbf_writer entry_writer(entry);
  entry_writer.add_string(string_string_entry_proto::key, key);
  entry_writer.add_string(string_string_entry_proto::value, value);
  writer.add_message(field, entry);
}

void make_header(const Graph& graph, PendingTensor& tensor, const std::string& external_name) {
  const Value& value = graph.value(tensor.initializer->value);
  tensor.header.clear();
  pbf_writer writer(tensor.header);
  for (const graph::Dim& dim : value.shape) writer.add_int64(tensor_proto::dims, dim.value);
  writer.add_int32(tensor_proto::data_type, onnx_type(value.dtype));
  writer.add_string(tensor_proto::name, value.name);
  if (tensor.external) {
    add_entry(writer, tensor_proto::external_data, "location", external_name);
    add_entry(writer, tensor_proto::external_data, "offset",
              fmt::format("{}", tensor.external_offset));
    add_entry(writer, tensor_proto::external_data, "length", fmt::format("{}", tensor.data_bytes));
    writer.add_enum(tensor_proto::data_location, tensor_proto::location_external);
  } else {
    append_field_header(tensor.header, tensor_proto::raw_data, tensor.data_bytes);
  }
}

// The file in the order of its bytes: `before`, the initializers, `after`.
struct Frame {
  std::string before;
  std::string after;
};

std::uint64_t initializers_size(const std::vector<PendingTensor>& tensors) {
  std::uint64_t total = 0;
  for (const PendingTensor& tensor : tensors) {
    total += field_size(graph_proto::initializer, tensor.message_bytes());
  }
  return total;
}

Frame make_frame(const Graph& graph, const ModelProperties& properties,
                 std::uint64_t initializers_bytes) {
  std::string graph_before;
  pbf_writer graph_writer(graph_before);
  for (const Node& node : graph.nodes()) {
    graph_writer.add_message(graph_proto::node, node_message(graph, node));
  }
  graph_writer.add_string(graph_proto::name, graph.name);

  std::string graph_after;
  pbf_writer after_writer(graph_after);
  for (const ValueId id : graph.inputs()) {
    after_writer.add_message(graph_proto::input, value_info_message(graph, id));
  }
  for (const ValueId id : graph.outputs()) {
    after_writer.add_message(graph_proto::output, value_info_message(graph, id));
  }
  for (const Node& node : graph.nodes()) {
    if (graph.is_output(node.output)) continue;
    after_writer.add_message(graph_proto::value_info, value_info_message(graph, node.output));
  }

  Frame frame;
  pbf_writer model_writer(frame.before);
  model_writer.add_int64(model_proto::ir_version, ir_version(properties.opset));
  model_writer.add_string(model_proto::producer_name, "aether2onnx");
  model_writer.add_string(model_proto::producer_version, version().data(), version().size());
  append_field_header(frame.before, model_proto::graph,
                      graph_before.size() + initializers_bytes + graph_after.size());
  frame.before += graph_before;

  frame.after = std::move(graph_after);
  pbf_writer end_writer(frame.after);
  std::string opset;
  pbf_writer opset_writer(opset);
  opset_writer.add_string(operator_set_id_proto::domain, "");
  opset_writer.add_int64(operator_set_id_proto::version, properties.opset);
  end_writer.add_message(model_proto::opset_import, opset);
  for (const auto& [key, value] : properties.metadata) {
    add_entry(end_writer, model_proto::metadata_props, key, value);
  }
  return frame;
}

// --- weights ----------------------------------------------------------------------------------

void check(const ConversionLoss& loss, const Value& value) {
  std::vector<std::int64_t> shape;
  for (const graph::Dim& dim : value.shape) shape.push_back(dim.value);
  check_loss(loss, value.name, shape, value.dtype,
             value.dtype == DType::float16 ? "Convert with --fp_mode mixed_fp16 or fp32."
                                           : "Such weights can't be deployed.");
}

class Writer {
 public:
  Writer(const Graph& graph, const OutputFiles& output,
         const std::function<void(std::uint64_t, std::uint64_t)>& progress)
      : graph_(graph), output_(output), progress_(progress) {}

  Written run(const ModelProperties& properties, std::uint64_t external_data_threshold) {
    std::vector<PendingTensor> tensors = pending_tensors(graph_);
    for (const PendingTensor& tensor : tensors) total_ += tensor.data_bytes;
    for (PendingTensor& tensor : tensors) make_header(graph_, tensor, output_.external_data_name);
    Frame frame = make_frame(graph_, properties, initializers_size(tensors));
    const std::uint64_t size =
        frame.before.size() + initializers_size(tensors) + frame.after.size();
    if (size > external_data_threshold) {
      move_outside(tensors, size);
      frame = make_frame(graph_, properties, initializers_size(tensors));
    }

    put(frame.before);
    for (const PendingTensor& tensor : tensors) put(tensor);
    if (properties.final_metadata) {
      const Frame final_frame = make_frame(
          graph_, {properties.opset, properties.final_metadata(), {}}, initializers_size(tensors));
      require(final_frame.after.size() == frame.after.size(), "metadata of another size");
      put(final_frame.after);
    } else {
      put(frame.after);
    }
    return written_;
  }

 private:
  void move_outside(std::vector<PendingTensor>& tensors, std::uint64_t size) const {
    if (output_.external_data == nullptr) {
      fail(ErrorKind::limit,
           "the model would take {}, more than an ONNX file may have, and there is no place for "
           "external data.",
           human_bytes(size));
    }
    std::uint64_t offset = 0;
    for (PendingTensor& tensor : tensors) {
      if (!tensor.initializer->is_parameter) continue;  // constants are a few bytes
      tensor.external = true;
      tensor.external_offset = offset;
      make_header(graph_, tensor, output_.external_data_name);
      offset += tensor.data_bytes;
      offset += (kExternalAlignment - offset % kExternalAlignment) % kExternalAlignment;
    }
  }

  void put(const std::string& bytes) {
    output_.model->write(std::as_bytes(std::span(bytes)));
    written_.bytes += bytes.size();
  }

  void put(const PendingTensor& tensor) {
    const Value& value = graph_.value(tensor.initializer->value);
    std::string header;
    append_field_header(header, graph_proto::initializer, tensor.message_bytes());
    put(header + tensor.header);

    TensorData data = tensor.initializer->load();
    ConversionLoss loss;
    if (!is_weight_dtype(value.dtype)) {
      require(data.dtype == value.dtype, "integers of another type than announced");
      elements_ = std::move(data.bytes);
    } else if (data.dtype == value.dtype) {
      loss = check_elements(data.bytes, data.dtype);
      elements_ = std::move(data.bytes);
    } else {
      elements_.clear();
      loss = convert_elements(data.bytes, data.dtype, value.dtype, elements_);
    }
    require(elements_.size() == tensor.data_bytes, "a weight of another size than announced");
    check(loss, value);
    if (tensor.initializer->is_parameter) {
      written_.weights_subnormal += loss.subnormal;
      written_.weights_flushed_to_zero += loss.flushed_to_zero;
    }
    if constexpr (std::endian::native == std::endian::big) {
      swap_byte_order(elements_, size_of(value.dtype));
    }
    if (tensor.external) {
      pad_external_to(tensor.external_offset);
      output_.external_data->write(elements_);
      written_.external_data_bytes += elements_.size();
    } else {
      output_.model->write(elements_);
      written_.bytes += elements_.size();
    }
    done_ += elements_.size();
    progress_(done_, total_);
  }

  void pad_external_to(std::uint64_t offset) {
    const std::vector<std::byte> padding(to_size(offset - written_.external_data_bytes));
    output_.external_data->write(padding);
    written_.external_data_bytes = offset;
  }

  const Graph& graph_;
  const OutputFiles& output_;
  const std::function<void(std::uint64_t, std::uint64_t)>& progress_;
  Written written_;
  std::vector<std::byte> elements_;
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
};

}  // namespace

std::string dim_text(const graph::Dim& dim, const Graph& graph, ValueId value) {
  if (dim.symbol == graph::Symbol::none) return fmt::format("{}", dim.value);
  if (dim.symbol == graph::Symbol::batch) return "batch_size";
  const char* name = dim.symbol == graph::Symbol::height ? "height" : "width";
  const bool of_output = dim.value == graph.scale && (graph.scale > 1 || graph.is_output(value));
  if (of_output) return fmt::format("output_{}", name);
  return dim.value == 1 ? name : fmt::format("{}_x{}", name, dim.value);
}

Written write(const Graph& graph, const ModelProperties& properties, const OutputFiles& output,
              std::uint64_t external_data_threshold,
              const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  return Writer(graph, output, progress).run(properties, external_data_threshold);
}

}  // namespace aether2onnx::onnx
