// Reads the protobuf messages that contain no nodes: types, tensors, metadata.

#include "base/error.h"
#include "base/text.h"
#include "formats/onnx/proto.h"
#include "formats/onnx/records.h"

namespace aether2onnx::onnx {

namespace {

[[noreturn]] void bad_external_data(const Tensor& tensor, const char* what, std::uint64_t at) {
  fail(
      {ErrorKind::malformed, "onnx-external-data", tensor.name, {}, fmt::format("byte {}", at)},
      "the tensor '{}' of the ONNX file {}, at byte {}. Readers disagree on the tensor's elements.",
      printable(tensor.name, 100), what, at);
}

// Returns whether the name of an axis looks like a size, for example "64". dim() drops such a name:
// ValueInfo::dims stores names and sizes as texts, so callers would read the name as a size.
bool looks_like_a_size(const std::string& name) {
  return name.find_first_not_of("-0123456789") == std::string::npos && !name.empty();
}

std::string dim(Fields fields) {
  std::string result;
  while (fields.next()) {
    if (fields.number() == type_proto::dim_value) result = fmt::format("{}", fields.integer());
    if (fields.number() != type_proto::dim_param) continue;
    result = fields.text();
    if (!looks_like_a_size(result)) continue;
    fields.source().add_unknown(fmt::format("an axis with the name '{}'", printable(result, 40)),
                                fields.begin());
    result.clear();
  }
  return result;
}

void tensor_type(Fields fields, ValueInfo& value) {
  while (fields.next()) {
    if (fields.number() == type_proto::elem_type) {
      value.elem_type = static_cast<int>(fields.integer());
    } else {
      value.has_shape = true;
      Fields shape = fields.message();
      while (shape.next()) value.dims.push_back(dim(shape.message()));
    }
  }
}

// Reads one entry (key and value) of a tensor's external_data. Knows the keys that
// docs/ExternalData.md in ONNX's repository defines, the key "basepath" that this document defined
// before ONNX 1.5, and the keys "prepacked_…" that ONNX Runtime adds. Adds an entry with any other
// key to the unknown parts of the file.
void external_entry(Fields fields, Names& keys, Tensor& tensor) {
  Source& source = fields.source();
  const std::uint64_t at = fields.place();
  auto [key, value] = string_entry(fields);
  keys.add(key, at);
  if (key == "location") {
    tensor.external_file = std::move(value);
  } else if (key == "offset") {
    tensor.external_offset = std::move(value);
  } else if (key == "length") {
    tensor.external_bytes = std::move(value);
  } else if (key != "checksum" && key != "basepath" && !key.starts_with("prepacked_")) {
    source.add_unknown(fmt::format("external data with the key '{}'", printable(key, 40)), at);
  }
}

}  // namespace

void Names::add(std::string name, std::uint64_t at) {
  if (name.empty()) return;
  const auto [place, is_new] = names_.insert(std::move(name));
  if (is_new) return;
  fail({ErrorKind::malformed, "onnx-name-twice", fmt::format("byte {}", at), {}, *place},
       "the ONNX file uses the name '{}' for two {}, at byte {}. Some readers use the first, "
       "others the last.",
       printable(*place, 100), what_, at);
}

std::pair<std::string, std::string> string_entry(Fields fields) {
  std::pair<std::string, std::string> entry;
  while (fields.next()) {
    (fields.number() == string_string_entry_proto::key ? entry.first : entry.second) =
        fields.text();
  }
  return entry;
}

std::pair<std::string, std::int64_t> opset(Fields fields) {
  std::pair<std::string, std::int64_t> result;
  while (fields.next()) {
    if (fields.number() == operator_set_id_proto::domain) {
      result.first = fields.text();
    } else {
      result.second = fields.integer();
    }
  }
  return result;
}

ValueInfo value_info(Fields fields) {
  ValueInfo value;
  while (fields.next()) {
    if (fields.number() == value_info_proto::name) value.name = fields.text();
    if (fields.number() != value_info_proto::type) continue;
    Fields type = fields.message();
    while (type.next()) {
      if (type.number() == type_proto::tensor_type) tensor_type(type.message(), value);
    }
  }
  return value;
}

Tensor tensor(Fields fields) {
  Tensor result;
  Names keys("entries of external data");
  bool has_entries = false;
  bool is_external = false;
  std::uint32_t holders = 0;  // one bit for each field that contains elements
  while (fields.next()) {
    switch (fields.number()) {
      case tensor_proto::dims:
        fields.take_integers(result.dims);
        break;
      case tensor_proto::data_type:
        result.data_type = static_cast<int>(fields.integer());
        break;
      case tensor_proto::name:
        result.name = fields.text();
        break;
      case tensor_proto::raw_data:
        result.raw_offset = fields.begin();
        result.raw_bytes = fields.length();
        if (fields.length() > 0) holders |= 1U << fields.number();
        break;
      case tensor_proto::float_data:
      case tensor_proto::int32_data:
      case tensor_proto::string_data:
      case tensor_proto::int64_data:
      case tensor_proto::double_data:
      case tensor_proto::uint64_data:
        result.pieces.push_back({fields.number(), fields.begin(), fields.length()});
        if (fields.length() > 0) holders |= 1U << fields.number();
        break;
      case tensor_proto::external_data:
        has_entries = true;
        external_entry(fields.message(), keys, result);
        break;
      case tensor_proto::data_location:
        is_external = fields.integer() == tensor_proto::location_external;
        if (fields.integer() > tensor_proto::location_external || fields.integer() < 0) {
          fields.source().add_unknown("a data_location other than DEFAULT and EXTERNAL",
                                      fields.begin());
        }
        break;
      default:
        break;
    }
  }
  const std::uint64_t at = fields.place();
  if (has_entries != is_external) {
    bad_external_data(result,
                      is_external
                          ? "refers to external data, but names no file"
                          : "has entries for external data, but its data_location is not EXTERNAL",
                      at);
  }
  if (is_external && result.external_file.empty()) {
    bad_external_data(result, "refers to external data, but names no file", at);
  }
  if (is_external && holders != 0) {
    bad_external_data(result, "has elements both in the file itself and in external data", at);
  }
  if ((holders & (holders - 1)) != 0) {
    bad_external_data(result, "has elements in two fields (such as raw_data and float_data)", at);
  }
  return result;
}

std::string sparse_tensor(Fields fields, std::vector<Tensor>& tensors) {
  std::string name;
  while (fields.next()) {
    if (fields.number() == sparse_tensor_proto::dims) continue;
    tensors.push_back(tensor(fields.message()));
    if (fields.number() == sparse_tensor_proto::values) name = tensors.back().name;
  }
  return name;
}

}  // namespace aether2onnx::onnx
