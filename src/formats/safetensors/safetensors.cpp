// Reads a safetensors file: eight bytes with the length of the header, the header in JSON, the
// elements of the tensors.

#include "formats/safetensors/safetensors.h"

#include <algorithm>
#include <array>

#include "base/checked.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "formats/pickle/skim.h"
#include "formats/safetensors/header.h"
#include "formats/safetensors/json.h"

namespace aether2onnx::safetensors {

namespace {

constexpr std::size_t kLengthBytes = 8;

// The reader leaves out each text in __metadata__ that is longer than this number of bytes, for
// example the whole log of a training program. A text with a setting of the network is shorter: a
// number, a list or a name.
constexpr std::size_t kNoteBytes = 4096;

template <typename... Args>
[[noreturn]] void damaged(Fault fault, fmt::format_string<Args...> what, Args&&... args) {
  fail(std::move(fault),
       "the safetensors file is damaged or forged: {}.\n"
       "Download or copy the file again, or save it again.",
       fmt::format(what, std::forward<Args>(args)...));
}

// An element type of safetensors. If `dtype` is empty, tensors of this type are not supported.
struct ElementType {
  std::string_view name;
  std::uint64_t bits;
  std::optional<DType> dtype;
};

constexpr std::array kElementTypes = {
    ElementType{"F64", 64, DType::float64},
    ElementType{"F32", 32, DType::float32},
    ElementType{"F16", 16, DType::float16},
    ElementType{"BF16", 16, DType::bfloat16},
    ElementType{"I64", 64, DType::int64},
    ElementType{"I32", 32, DType::int32},
    ElementType{"I16", 16, DType::int16},
    ElementType{"I8", 8, DType::int8},
    ElementType{"U64", 64, DType::uint64},
    ElementType{"U32", 32, DType::uint32},
    ElementType{"U16", 16, DType::uint16},
    ElementType{"U8", 8, DType::uint8},
    ElementType{"BOOL", 8, DType::boolean},
    ElementType{"C64", 64, DType::complex64},
    ElementType{"F8_E4M3", 8, DType::float8_e4m3fn},
    ElementType{"F8_E5M2", 8, DType::float8_e5m2},
    ElementType{"F8_E8M0", 8, std::nullopt},
    ElementType{"F8_E4M3FNUZ", 8, std::nullopt},
    ElementType{"F8_E5M2FNUZ", 8, std::nullopt},
    ElementType{"F6_E2M3", 6, std::nullopt},
    ElementType{"F6_E3M2", 6, std::nullopt},
    ElementType{"F4", 4, std::nullopt},
};

const ElementType* element_type(std::string_view name) {
  const auto found = std::find_if(kElementTypes.begin(), kElementTypes.end(),
                                  [&](const ElementType& type) { return type.name == name; });
  return found == kElementTypes.end() ? nullptr : &*found;
}

// Reads the JSON {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …}.
// At first, Tensor::offset counts from the end of the header. check_layout() later adds the
// header's length. At first, Tensor::bytes is the offset of the tensor's end. check_size() later
// changes Tensor::bytes to the tensor's length.
class HeaderEvents final : public JsonEvents {
 public:
  explicit HeaderEvents(const Limits& limits) : limits_(limits) {}

  Header take() {
    std::vector<std::string_view> names;
    for (const Tensor& tensor : header_.tensors) names.push_back(tensor.name);
    check_names(std::move(names), "its header");
    return std::move(header_);
  }

  bool key(const std::string& name) override {
    if (depth() == 1) {
      begin_entry(name);
    } else if (in_metadata_) {
      check_count(name, header_.metadata.size() + long_notes_.size(), "entries of __metadata__");
      header_.metadata.emplace_back(name, "");
    } else {
      begin_field(name);
    }
    return true;
  }

  bool start_object(std::size_t size) override {
    const bool expected = depth() == 0 || (depth() == 1 && field_ == Field::none);
    if (!expected) other("an object");
    if (depth() == 1) in_entry_ = true;
    return JsonEvents::start_object(size);
  }

  bool end_object() override {
    if (depth() == 2 && in_metadata_) check_metadata();
    if (depth() == 2 && !in_metadata_) end_entry();
    if (depth() == 2) in_entry_ = in_metadata_ = false;
    return JsonEvents::end_object();
  }

  bool start_array(std::size_t size) override {
    if (depth() != 2 || (field_ != Field::shape && field_ != Field::offsets)) other("an array");
    return JsonEvents::start_array(size);
  }

  bool end_array() override {
    field_ = Field::none;
    return JsonEvents::end_array();
  }

  bool string(const std::string& text) override {
    if (in_metadata_ && depth() == 2) {
      if (text.size() > kNoteBytes) {
        long_notes_.push_back(std::move(header_.metadata.back().first));
        header_.metadata.pop_back();
      } else {
        header_.metadata.back().second = text;
      }
    } else if (in_entry_ && depth() == 2 && field_ == Field::dtype) {
      header_.tensors.back().dtype = text;
      field_ = Field::none;
    } else {
      other("a text");
    }
    return true;
  }

  bool number_unsigned(std::uint64_t number) override {
    if (depth() != 3) other("a number");
    if (field_ == Field::shape) {
      auto& shape = header_.tensors.back().shape;
      if (number > std::uint64_t{INT64_MAX} || shape.size() >= limits::kTensorRank) {
        damaged({ErrorKind::malformed, "safetensors-shape", tensor_name()},
                "the shape of the tensor '{}' has {}", tensor_name(),
                shape.size() >= limits::kTensorRank
                    ? fmt::format("over {} dimensions", limits::kTensorRank)
                    : fmt::format("the size {}", number));
      }
      shape.push_back(static_cast<std::int64_t>(number));
    } else {
      if (offsets_ == 2) {
        damaged({ErrorKind::malformed, "safetensors-field", tensor_name()},
                "the tensor '{}' has more than two data_offsets", tensor_name());
      }
      auto& tensor = header_.tensors.back();
      (offsets_ == 0 ? tensor.offset : tensor.bytes) = number;
      ++offsets_;
    }
    return true;
  }

  bool other(const char* what) override {
    damaged({ErrorKind::malformed, "safetensors-structure", {}, {}, what},
            "its header has {} in a wrong position{}", what,
            header_.tensors.empty() ? "" : fmt::format(", after the name '{}'", tensor_name()));
  }

 private:
  enum class Field { none, dtype, shape, offsets };

  std::string tensor_name() const { return printable(header_.tensors.back().name); }

  [[noreturn]] static void twice(std::string_view in, std::string_view name) {
    damaged({ErrorKind::malformed, "safetensors-twice", printable(name)},
            "{} has the key '{}' twice", in, printable(name));
  }

  // Throws if `name` is too long, or if `count` has reached the limit "state_dict_entries". `count`
  // is the number of earlier entries. `things` names these entries in the message.
  void check_count(const std::string& name, std::size_t count, const char* things) const {
    if (name.size() > limits::kNameBytes) {
      fail({ErrorKind::limit, "safetensors-name", {}, fmt::format("{}", limits::kNameBytes)},
           "a name in the header of the file is over {} long.", plural(limits::kNameBytes, "byte"));
    }
    if (count >= limits_.state_dict_entries) {
      fail({ErrorKind::limit, "safetensors-limit", "state_dict_entries",
            fmt::format("{}", limits_.state_dict_entries)},
           "the safetensors file has over {} {}.\n{}", with_thousands(limits_.state_dict_entries),
           things, limits::how_to_raise("state_dict_entries"));
    }
  }

  // Throws if two names are equal. `in` says in the message where the names are, for example "its
  // header".
  static void check_names(std::vector<std::string_view> names, std::string_view in) {
    std::sort(names.begin(), names.end());
    const auto same = std::adjacent_find(names.begin(), names.end());
    if (same != names.end()) twice(in, *same);
  }

  void check_metadata() const {
    std::vector<std::string_view> names(long_notes_.begin(), long_notes_.end());
    for (const auto& [name, text] : header_.metadata) names.push_back(name);
    check_names(std::move(names), "__metadata__");
  }

  void begin_entry(const std::string& name) {
    in_metadata_ = name == "__metadata__";
    if (in_metadata_) {
      if (has_metadata_) twice("its header", name);
      has_metadata_ = true;
      return;
    }
    check_count(name, header_.tensors.size(), "tensors");
    header_.tensors.emplace_back();
    header_.tensors.back().name = name;
    seen_.fill(false);
    offsets_ = 0;
  }

  void begin_field(std::string_view name) {
    constexpr std::array<std::string_view, 3> names = {"dtype", "shape", "data_offsets"};
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
      damaged({ErrorKind::malformed, "safetensors-field", tensor_name(), {}, printable(name)},
              "the tensor '{}' has the unknown field '{}'", tensor_name(), printable(name));
    }
    const auto index = static_cast<std::size_t>(found - names.begin());
    if (seen_.at(index)) twice(fmt::format("the tensor '{}'", tensor_name()), name);
    seen_.at(index) = true;
    field_ = std::array{Field::dtype, Field::shape, Field::offsets}.at(index);
  }

  void end_entry() {
    const bool complete = std::all_of(seen_.begin(), seen_.end(), [](bool seen) { return seen; });
    if (!complete || offsets_ != 2) {
      damaged({ErrorKind::malformed, "safetensors-field", tensor_name()},
              "the tensor '{}' lacks its dtype, shape or data_offsets", tensor_name());
    }
  }

  const Limits& limits_;
  Header header_;
  std::vector<std::string> long_notes_;  // names of texts in __metadata__ that are not kept
  bool has_metadata_ = false;
  bool in_entry_ = false;
  bool in_metadata_ = false;
  Field field_ = Field::none;
  std::array<bool, 3> seen_{};
  int offsets_ = 0;
};

// Changes Tensor::bytes from an end offset to a length. Throws if the length does not fit the type
// and the shape.
void check_size(Tensor& tensor) {
  const std::string name = printable(tensor.name);
  if (tensor.bytes < tensor.offset) {
    damaged({ErrorKind::malformed, "safetensors-size", name},
            "the end offset of the tensor '{}' is below its begin offset", name);
  }
  tensor.bytes -= tensor.offset;
  // Multiplies from the first size on, as other readers do. If the product of the first sizes
  // overflows, these readers fail, even if a later size is 0. So check_size() throws as well.
  std::optional<std::int64_t> elements = 1;
  for (const std::int64_t size : tensor.shape) {
    if (elements) elements = checked_multiply(*elements, size);
  }
  if (!elements) {
    damaged({ErrorKind::malformed, "safetensors-shape", name},
            "the tensor '{}' {} has more elements than a 64-bit number can count", name,
            shape_text(tensor.shape));
  }
  tensor.elements = *elements;
  const ElementType* type = element_type(tensor.dtype);
  if (type == nullptr) return;  // an unknown type, which record_of() reports
  const auto bits = checked_multiply(static_cast<std::uint64_t>(*elements), type->bits);
  if (!bits || *bits % 8 != 0 || *bits / 8 != tensor.bytes) {
    damaged({ErrorKind::malformed, "safetensors-size", name, {}, fmt::format("{}", tensor.bytes)},
            "the tensor '{}' has {}, a wrong size for the shape {} and the type {}", name,
            plural(tensor.bytes, "byte"), shape_text(tensor.shape), type->name);
  }
}

// Throws if the tensors do not fill the file behind the header, or have holes or overlaps.
void check_layout(Header& header, std::uint64_t data_begin, std::uint64_t data_bytes) {
  std::vector<Tensor*> in_order;
  for (Tensor& tensor : header.tensors) {
    check_size(tensor);
    in_order.push_back(&tensor);
  }
  std::sort(in_order.begin(), in_order.end(), [](const auto* a, const auto* b) {
    return a->offset != b->offset ? a->offset < b->offset : a->bytes < b->bytes;
  });
  std::uint64_t end = 0;
  for (Tensor* tensor : in_order) {
    if (tensor->offset != end) {
      damaged({ErrorKind::malformed, "safetensors-layout", printable(tensor->name),
               fmt::format("{}", end), fmt::format("{}", tensor->offset)},
              "the tensor '{}' begins at byte {} of the data, not at byte {}: a gap or an overlap",
              printable(tensor->name), tensor->offset, end);
    }
    if (tensor->bytes > data_bytes - end) {
      damaged({ErrorKind::malformed, "safetensors-truncated", printable(tensor->name)},
              "the tensor '{}' reaches beyond the end of the file", printable(tensor->name));
    }
    end += tensor->bytes;
    tensor->offset += data_begin;
  }
  if (end != data_bytes) {
    damaged(
        {ErrorKind::malformed, "safetensors-behind", {}, {}, fmt::format("{}", data_bytes - end)},
        "there are {} behind its last tensor", plural(data_bytes - end, "byte"));
  }
}

}  // namespace

Header read_header(const Input& input, const Context& context) {
  if (input.size() < kLengthBytes) {
    damaged({ErrorKind::malformed, "safetensors-truncated"},
            "it is shorter than the 8 bytes that state its header's length");
  }
  std::array<std::byte, kLengthBytes> length{};
  input.read(0, length);
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < length.size(); ++i) {
    size |= std::to_integer<std::uint64_t>(length.at(i)) << (8 * i);
  }
  if (size > input.size() - kLengthBytes) {
    damaged({ErrorKind::malformed,
             "safetensors-truncated",
             {},
             fmt::format("{}", size),
             fmt::format("{}", input.size())},
            "its header should have {} and the file has {}", plural(size, "byte"),
            plural(input.size(), "byte"));
  }
  if (size > context.limits.json_bytes) {
    fail({ErrorKind::limit, "safetensors-limit", "json_bytes",
          fmt::format("{}", context.limits.json_bytes), fmt::format("{}", size)},
         "the header of the safetensors file has {}; at most {} are read.\n{}", human_bytes(size),
         human_bytes(context.limits.json_bytes), limits::how_to_raise("json_bytes"));
  }
  std::array<std::byte, 1> first{};
  if (size > 0) input.read(kLengthBytes, first);
  if (first[0] != std::byte{'{'}) {
    damaged({ErrorKind::malformed, "safetensors-json"}, "its header doesn't begin with '{{'");
  }
  // A file that is also a pickle is refused, because Python's pickle module would read other
  // content from the file. No program writes such a file.
  if (pickle::skim(input, context).is_pickle()) {
    damaged({ErrorKind::malformed, "safetensors-pickle"}, "its first bytes are also a pickle");
  }
  HeaderEvents events(context.limits);
  if (!read_json(input, kLengthBytes, size, events)) {
    damaged({ErrorKind::malformed, "safetensors-json"}, "its header is not valid JSON at byte {}",
            events.error_at());
  }
  Header header = events.take();
  check_layout(header, kLengthBytes + size, input.size() - kLengthBytes - size);
  return header;
}

void TensorBytes::add(const Tensor& tensor, const Input& file) {
  const bool is_new =
      ranges_.emplace(tensor.name, Range{&file, tensor.offset, tensor.bytes}).second;
  require(is_new, "two tensors of one name");
}

std::optional<std::uint64_t> TensorBytes::size(std::string_view key) const {
  const auto found = ranges_.find(std::string(key));
  if (found == ranges_.end()) return std::nullopt;
  return found->second.bytes;
}

void TensorBytes::read(std::string_view key, std::uint64_t offset, std::span<std::byte> out) const {
  const auto found = ranges_.find(std::string(key));
  require(found != ranges_.end(), "reading a tensor that isn't there");
  const Range& range = found->second;
  require(offset <= range.bytes && out.size() <= range.bytes - offset,
          "reading beyond the end of a tensor");
  range.file->read(range.offset + offset, out);
}

std::string_view type_name(DType dtype) {
  for (const ElementType& type : kElementTypes) {
    if (type.dtype == dtype) return type.name;
  }
  defect("a tensor of a type that safetensors doesn't have");
}

formats::Record record_of(const Tensor& from) {
  formats::Record record{from.name, std::nullopt, {}, {}};
  const ElementType* type = element_type(from.dtype);
  if (type == nullptr || !type->dtype) {
    record.problem = fmt::format("is a tensor of a type that aether2onnx does not read ({})",
                                 printable(from.dtype, 40));
    record.problem_code = "safetensors-tensor-type";
    return record;
  }
  formats::Tensor tensor;
  tensor.dtype = *type->dtype;
  tensor.shape = from.shape;
  tensor.elements = from.elements;
  tensor.storage = from.name;
  tensor.strides.assign(from.shape.size(), 1);
  for (std::size_t i = from.shape.size(); from.elements > 0 && i-- > 1;) {
    tensor.strides[i - 1] = tensor.strides[i] * from.shape[i];
  }
  record.tensor = std::move(tensor);
  return record;
}

File open(const Input& input, const Context& context) {
  Header header = read_header(input, context);
  auto storages = std::make_unique<TensorBytes>();
  File file;
  for (const Tensor& tensor : header.tensors) {
    storages->add(tensor, input);
    file.records.push_back(record_of(tensor));
  }
  file.metadata = std::move(header.metadata);
  file.storages = std::move(storages);
  return file;
}

}  // namespace aether2onnx::safetensors
