// Bytes to records. The reader walks through the file by positions and skips weights, so memory
// grows with the description alone, not with the model. Wire format: protobuf's "Encoding".

#include <algorithm>
#include <array>
#include <bit>
#include <set>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "formats/onnx/onnx.h"
#include "formats/onnx/proto.h"

namespace aether2onnx::onnx {

namespace {

[[noreturn]] void damaged(const char* what) {
  fail({ErrorKind::malformed, "onnx-malformed"}, "the file is no ONNX model, or a damaged one: {}.",
       what);
}

// The file's bytes, read through a window.
class Bytes {
 public:
  Bytes(const Input& input, const Context& context) : input_(input), context_(context) {}

  const Limits& limits() const { return context_.limits; }

  std::uint64_t size() const { return input_.size(); }

  std::uint8_t at(std::uint64_t position) {
    if (position < start_ || position - start_ >= buffer_.size()) {
      context_.check_cancelled();
      start_ = position;
      buffer_.resize(
          static_cast<std::size_t>(std::min<std::uint64_t>(kWindow, input_.size() - position)));
      input_.read(start_, buffer_);
    }
    return static_cast<std::uint8_t>(buffer_[static_cast<std::size_t>(position - start_)]);
  }

  std::string text(std::uint64_t position, std::uint64_t length) const {
    std::string result(to_size(length), '\0');
    input_.read(position, std::as_writable_bytes(std::span(result)));
    return result;
  }

 private:
  static constexpr std::uint64_t kWindow = 4096;
  const Input& input_;
  const Context& context_;
  std::uint64_t start_ = 0;
  std::vector<std::byte> buffer_;
};

enum class Wire : std::uint8_t { varint = 0, fixed64 = 1, length = 2, fixed32 = 5 };

// The fields of one message, in order.
class Fields {
 public:
  Fields(Bytes& bytes, std::uint64_t begin, std::uint64_t end, std::size_t& parts)
      : bytes_(bytes), next_(begin), end_(end), parts_(parts) {}

  // Goes to the next field. Returns false at the message's end.
  bool next() {
    if (next_ >= end_) return false;
    count_part();
    const std::uint64_t key = read_varint();
    field_ = key >> 3U;
    wire_ = static_cast<Wire>(key & 7U);
    switch (wire_) {
      case Wire::varint:
        begin_ = next_;
        value_ = read_varint();
        break;
      case Wire::fixed64:
        take(8);
        break;
      case Wire::fixed32:
        take(4);
        break;
      case Wire::length: {
        const std::uint64_t length = read_varint();
        take(length);
        break;
      }
      default: {
        damaged("it has a field of an unknown wire type");
      }
    }
    return true;
  }

  bool is(std::uint64_t field, Wire wire) const { return field_ == field && wire_ == wire; }

  bool is_any_of(std::initializer_list<std::uint64_t> fields) const {
    return std::find(fields.begin(), fields.end(), field_) != fields.end();
  }
  std::uint64_t number() const { return field_; }

  std::int64_t integer() const { return static_cast<std::int64_t>(value_); }
  int enumerator() const { return value_ <= 0xffff ? static_cast<int>(value_) : -1; }
  float real() {
    std::uint32_t bits = 0;
    for (std::uint64_t i = 4; i-- > 0;) bits = bits << 8U | bytes_.at(begin_ + i);
    return std::bit_cast<float>(bits);
  }
  std::string text() const {
    const std::uint64_t most = bytes_.limits().onnx_text;
    if (length() > most) {
      fail(
          {ErrorKind::limit, "onnx-text", {}, fmt::format("{}", most), fmt::format("{}", length())},
          "the ONNX file has a text of {}; at most {} are read.\n{}", human_bytes(length()),
          human_bytes(most), limits::how_to_raise("onnx_text"));
    }
    return bytes_.text(begin_, length());
  }
  // Appends the field's packed integers to `out`.
  void unpack(std::vector<std::int64_t>& out) const {
    Fields numbers = message();
    while (numbers.next_ < numbers.end_) {
      count_part();
      out.push_back(static_cast<std::int64_t>(numbers.read_varint()));
    }
  }
  Fields message() const { return {bytes_, begin_, begin_ + length(), parts_}; }
  std::uint64_t begin() const { return begin_; }
  std::uint64_t length() const { return next_ - begin_; }

 private:
  void count_part() const {
    const std::uint64_t most = bytes_.limits().onnx_parts;
    if (++parts_ <= most) return;
    fail({ErrorKind::limit, "onnx-parts", {}, fmt::format("{}", most)},
         "the ONNX file has more than {} parts, the most that are read.\n{}", with_thousands(most),
         limits::how_to_raise("onnx_parts"));
  }

  std::uint64_t read_varint() {
    std::uint64_t number = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (next_ >= end_) damaged("it ends in the middle of a number");
      const std::uint8_t byte = bytes_.at(next_++);
      number |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
      if (byte < 0x80) return number;
    }
    damaged("it has a number of more than ten bytes");
  }

  void take(std::uint64_t length) {
    if (length > end_ - next_) damaged("a part of it reaches beyond its end");
    begin_ = next_;
    next_ += length;
  }

  Bytes& bytes_;
  std::uint64_t next_;
  std::uint64_t end_;
  std::size_t& parts_;
  std::uint64_t field_ = 0;
  Wire wire_ = Wire::varint;
  std::uint64_t value_ = 0;
  std::uint64_t begin_ = 0;  // of the current field's content
};

// Repeated integers are packed into one field, or have a field each.
void take_integers(Fields& fields, std::uint64_t number, std::vector<std::int64_t>& out) {
  if (fields.is(number, Wire::varint)) {
    out.push_back(fields.integer());
  } else if (fields.is(number, Wire::length)) {
    fields.unpack(out);
  }
}

std::pair<std::string, std::string> string_entry(Fields fields) {
  std::pair<std::string, std::string> entry;
  while (fields.next()) {
    if (fields.is(string_string_entry_proto::key, Wire::length)) entry.first = fields.text();
    if (fields.is(string_string_entry_proto::value, Wire::length)) entry.second = fields.text();
  }
  return entry;
}

std::pair<std::string, std::int64_t> opset(Fields fields) {
  std::pair<std::string, std::int64_t> result;
  while (fields.next()) {
    if (fields.is(operator_set_id_proto::domain, Wire::length)) result.first = fields.text();
    if (fields.is(operator_set_id_proto::version, Wire::varint)) result.second = fields.integer();
  }
  return result;
}

// Domain and name.
std::pair<std::string, std::string> function(Fields fields) {
  std::pair<std::string, std::string> result;
  while (fields.next()) {
    if (fields.is(function_proto::domain, Wire::length)) result.first = fields.text();
    if (fields.is(function_proto::name, Wire::length)) result.second = fields.text();
  }
  return result;
}

std::string dim(Fields fields) {
  std::string result;
  while (fields.next()) {
    if (fields.is(type_proto::dim_value, Wire::varint)) {
      result = fmt::format("{}", fields.integer());
    }
    if (fields.is(type_proto::dim_param, Wire::length)) result = fields.text();
  }
  return result;
}

void tensor_type(Fields fields, ValueInfo& value) {
  while (fields.next()) {
    if (fields.is(type_proto::elem_type, Wire::varint)) value.elem_type = fields.enumerator();
    if (!fields.is(type_proto::shape, Wire::length)) continue;
    Fields shape = fields.message();
    while (shape.next()) {
      if (shape.is(type_proto::dim, Wire::length)) value.dims.push_back(dim(shape.message()));
    }
  }
}

ValueInfo value_info(Fields fields) {
  ValueInfo value;
  while (fields.next()) {
    if (fields.is(value_info_proto::name, Wire::length)) value.name = fields.text();
    if (!fields.is(value_info_proto::type, Wire::length)) continue;
    Fields type = fields.message();
    while (type.next()) {
      if (type.is(type_proto::tensor_type, Wire::length)) tensor_type(type.message(), value);
    }
  }
  return value;
}

Tensor tensor(Fields fields) {
  Tensor result;
  while (fields.next()) {
    take_integers(fields, tensor_proto::dims, result.dims);
    if (fields.is(tensor_proto::data_type, Wire::varint)) result.data_type = fields.enumerator();
    if (fields.is(tensor_proto::name, Wire::length)) result.name = fields.text();
    if (fields.is(tensor_proto::raw_data, Wire::length)) {
      result.raw_offset = fields.begin();
      result.raw_bytes = fields.length();
    }
    if (fields.is_any_of({tensor_proto::float_data, tensor_proto::int32_data,
                          tensor_proto::int64_data, tensor_proto::double_data,
                          tensor_proto::uint64_data})) {
      result.pieces.push_back({fields.number(), fields.begin(), fields.length()});
    }
    if (fields.is(tensor_proto::external_data, Wire::length)) {
      const auto [key, value] = string_entry(fields.message());
      if (key == "location") result.external_file = value;
      if (key == "offset") result.external_offset = value;
      if (key == "length") result.external_bytes = value;
    }
  }
  return result;
}

// Returns the attribute's tensor, if there is one.
std::optional<Tensor> attribute(Fields fields, Node& node, Model& model) {
  std::string name;
  std::optional<AttributeValue> value;
  std::vector<std::int64_t> integers;
  std::optional<Tensor> constant;
  while (fields.next()) {
    if (fields.is(attribute_proto::name, Wire::length)) name = fields.text();
    if (fields.is(attribute_proto::i, Wire::varint)) value = fields.integer();
    if (fields.is(attribute_proto::f, Wire::fixed32)) value = fields.real();
    if (fields.is(attribute_proto::s, Wire::length)) value = fields.text();
    if (fields.is(attribute_proto::t, Wire::length)) constant = tensor(fields.message());
    take_integers(fields, attribute_proto::ints, integers);
    if (fields.is_any_of({attribute_proto::g, attribute_proto::graphs, attribute_proto::tensors,
                          attribute_proto::sparse_tensor, attribute_proto::sparse_tensors})) {
      model.has_undescribed_parts = true;
    }
  }
  if (!integers.empty()) value = std::move(integers);
  if (value) node.attributes.insert_or_assign(name, std::move(*value));
  return constant;
}

void take_node(Fields fields, Model& model) {
  Node node;
  std::optional<Tensor> constant;
  while (fields.next()) {
    if (fields.is(node_proto::input, Wire::length)) node.inputs.push_back(fields.text());
    if (fields.is(node_proto::output, Wire::length)) node.outputs.push_back(fields.text());
    if (fields.is(node_proto::name, Wire::length)) node.name = fields.text();
    if (fields.is(node_proto::op_type, Wire::length)) node.op_type = fields.text();
    if (fields.is(node_proto::domain, Wire::length)) node.domain = fields.text();
    if (fields.is(node_proto::attribute, Wire::length)) {
      if (auto found = attribute(fields.message(), node, model)) constant = std::move(found);
    }
  }
  if (constant && node.op_type == "Constant" && node.outputs.size() == 1) {
    constant->name = node.outputs[0];
    model.initializers.push_back(std::move(*constant));
  } else if (constant && !constant->external_file.empty()) {
    model.has_undescribed_parts = true;
  }
  model.nodes.push_back(std::move(node));
}

void take_graph(Fields fields, Model& model) {
  while (fields.next()) {
    if (fields.is(graph_proto::name, Wire::length)) model.graph_name = fields.text();
    if (fields.is(graph_proto::node, Wire::length)) take_node(fields.message(), model);
    if (fields.is(graph_proto::initializer, Wire::length)) {
      model.initializers.push_back(tensor(fields.message()));
    }
    if (fields.is(graph_proto::input, Wire::length)) {
      model.inputs.push_back(value_info(fields.message()));
    }
    if (fields.is(graph_proto::output, Wire::length)) {
      model.outputs.push_back(value_info(fields.message()));
    }
    if (fields.is(graph_proto::sparse_initializer, Wire::length)) {
      model.has_undescribed_parts = true;
    }
  }
}

}  // namespace

const std::string* Model::find_metadata(std::string_view key) const {
  const auto found = std::find_if(metadata.begin(), metadata.end(),
                                  [&](const auto& entry) { return entry.first == key; });
  return found == metadata.end() ? nullptr : &found->second;
}

bool Model::has_function(const std::string& domain, const std::string& name) const {
  return functions.contains({domain, name});
}

Model read(const Input& input, const Context& context) {
  Bytes bytes(input, context);
  std::size_t parts = 0;
  Fields fields(bytes, 0, bytes.size(), parts);
  Model model;
  bool has_graph = false;
  while (fields.next()) {
    if (fields.is(model_proto::ir_version, Wire::varint)) model.ir_version = fields.integer();
    if (fields.is(model_proto::producer_name, Wire::length)) model.producer_name = fields.text();
    if (fields.is(model_proto::producer_version, Wire::length)) {
      model.producer_version = fields.text();
    }
    if (fields.is(model_proto::opset_import, Wire::length)) {
      model.opsets.push_back(opset(fields.message()));
    }
    if (fields.is(model_proto::metadata_props, Wire::length)) {
      model.metadata.push_back(string_entry(fields.message()));
    }
    if (fields.is(model_proto::training_info, Wire::length)) model.has_undescribed_parts = true;
    if (fields.is(model_proto::functions, Wire::length)) {
      model.has_undescribed_parts = true;
      model.functions.insert(function(fields.message()));
    }
    if (fields.is(model_proto::graph, Wire::length)) {
      take_graph(fields.message(), model);
      has_graph = true;
    }
  }
  if (!has_graph) damaged("it has no graph");
  return model;
}

int ir_version(int opset) {
  struct Row {
    int opset;
    int ir;
  };
  constexpr std::array rows = {Row{11, 6},  Row{12, 7},  Row{15, 8}, Row{19, 9},
                               Row{21, 10}, Row{23, 11}, Row{24, 12}};
  int version = rows.front().ir;
  for (const Row& row : rows) {
    if (opset >= row.opset) version = row.ir;
  }
  return version;
}

std::vector<const ValueInfo*> open_inputs(const Model& model) {
  std::set<std::string_view> given;
  for (const Tensor& tensor : model.initializers) given.insert(tensor.name);
  std::vector<const ValueInfo*> inputs;
  for (const ValueInfo& input : model.inputs) {
    if (!given.contains(input.name)) inputs.push_back(&input);
  }
  return inputs;
}

std::int64_t default_opset(const Model& model) {
  std::int64_t opset = 0;
  for (const auto& [domain, number] : model.opsets) {
    if (domain.empty() || domain == "ai.onnx") opset = number;
  }
  return opset;
}

}  // namespace aether2onnx::onnx
