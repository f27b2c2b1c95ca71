// safetensors: the length of a JSON header (8 bytes), the header, the tensors without gaps.
// Source: the format's README and its reference implementation (safetensors/src/tensor.rs).

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/text.h"
#include "state_dict/write_formats.h"

namespace aether2onnx::checkpoint {

namespace {

constexpr std::size_t kAlignment = 8;
constexpr std::size_t kLargestHeader = 100'000'000;  // the reference implementation's limit

const char* dtype_name(DType dtype) {
  switch (dtype) {
    case DType::float64:
      return "F64";
    case DType::float32:
      return "F32";
    case DType::float16:
      return "F16";
    case DType::bfloat16:
      return "BF16";
    case DType::int64:
      return "I64";
    case DType::int32:
      return "I32";
    case DType::int16:
      return "I16";
    case DType::int8:
      return "I8";
    case DType::uint8:
      return "U8";
    case DType::boolean:
      return "BOOL";
    default:
      defect("a tensor of a type that isn't written");
  }
}

std::string json_string(const std::string& text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      json += '\\';
      json += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      json += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      json += c;
    }
  }
  return json + '"';
}

// The order of the reference implementation: larger elements first, so that all are aligned, then
// by name.
std::vector<const Tensor*> in_order(const std::vector<Tensor>& tensors) {
  std::vector<const Tensor*> order(tensors.size());
  std::iota(order.begin(), order.end(), tensors.data());
  std::sort(order.begin(), order.end(), [](const Tensor* a, const Tensor* b) {
    const std::size_t size_a = aether2onnx::size_of(a->dtype);
    const std::size_t size_b = aether2onnx::size_of(b->dtype);
    return size_a != size_b ? size_a > size_b : a->name < b->name;
  });
  return order;
}

std::string make_header(const Content& content, const std::vector<const Tensor*>& order) {
  // "format": what the tensors were saved from; transformers and others refuse files without it.
  std::string header = R"({"__metadata__":{"format":"pt")";
  for (const auto& [name, text] : content.notes) {
    header += "," + json_string(name) + ":" + json_string(text);
  }
  header += '}';
  std::uint64_t begin = 0;
  for (const Tensor* tensor : order) {
    const std::uint64_t end = begin + size_of(*tensor);
    header += fmt::format(R"(,{}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                          json_string(tensor->name), dtype_name(tensor->dtype), join(tensor->shape),
                          begin, end);
    begin = end;
  }
  header += '}';
  header.resize((header.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  if (header.size() > kLargestHeader) {
    fail(ErrorKind::limit,
         "the names and shapes of the tensors take {}; a safetensors file has room for {}.\n"
         "Write a .pth file.",
         human_bytes(header.size()), human_bytes(kLargestHeader));
  }
  return header;
}

}  // namespace

std::uint64_t write_safetensors(const Content& content, Elements& elements, Output& output) {
  const std::vector<const Tensor*> order = in_order(content.tensors);
  const std::string header = make_header(content, order);
  std::string length;
  for (unsigned i = 0; i < 8; ++i) {
    length += static_cast<char>((std::uint64_t{header.size()} >> (8 * i)) & 0xffU);
  }
  output.write(std::as_bytes(std::span(length)));
  output.write(std::as_bytes(std::span(header)));
  std::uint64_t bytes = length.size() + header.size();
  for (const Tensor* tensor : order) {
    const auto data = elements.load(*tensor);
    output.write(data);
    bytes += data.size();
    elements.passed_on();
  }
  return bytes;
}

}  // namespace aether2onnx::checkpoint
