// Writes a safetensors file: eight bytes with the length of the header, the header in JSON, and the
// elements of the tensors without gaps.

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/text.h"
#include "formats/safetensors/header.h"
#include "formats/safetensors/safetensors.h"

namespace aether2onnx::safetensors {

namespace {

using formats::Content;
using formats::NewTensor;

constexpr std::size_t kAlignment = 8;
constexpr std::size_t kLargestHeader = 100'000'000;  // bytes; the limit of safetensors' own code

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

// Returns the tensors in the order in which safetensors' own code writes tensors: types with larger
// elements first, so that all elements are aligned; then by name.
std::vector<const NewTensor*> writing_order(const std::vector<NewTensor>& tensors) {
  std::vector<const NewTensor*> order(tensors.size());
  std::iota(order.begin(), order.end(), tensors.data());
  std::sort(order.begin(), order.end(), [](const NewTensor* a, const NewTensor* b) {
    const std::size_t size_a = size_of(a->dtype);
    const std::size_t size_b = size_of(b->dtype);
    return size_a != size_b ? size_a > size_b : a->name < b->name;
  });
  return order;
}

std::string make_header(const Content& content, const std::vector<const NewTensor*>& order) {
  // "format" names the framework that saved the tensors. transformers refuses files without
  // "format".
  std::string header = R"({"__metadata__":{"format":"pt")";
  for (const auto& [name, text] : content.notes) {
    header += "," + json_string(name) + ":" + json_string(text);
  }
  header += '}';
  std::uint64_t begin = 0;
  for (const NewTensor* tensor : order) {
    const std::uint64_t end = begin + byte_count(*tensor);
    header += fmt::format(R"(,{}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                          json_string(tensor->name), type_name(tensor->dtype), join(tensor->shape),
                          begin, end);
    begin = end;
  }
  header += '}';
  header.resize((header.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  if (header.size() > kLargestHeader) {
    fail({ErrorKind::limit,
          "safetensors-header",
          {},
          fmt::format("{}", kLargestHeader),
          fmt::format("{}", header.size())},
         "the names and shapes of the tensors take {}; a safetensors file allows at most {}.\n"
         "Write a .pth file.",
         human_bytes(header.size()), human_bytes(kLargestHeader));
  }
  return header;
}

}  // namespace

std::uint64_t write(const Content& content, Output& output) {
  const std::vector<const NewTensor*> order = writing_order(content.tensors);
  const std::string header = make_header(content, order);
  std::string length;
  for (unsigned i = 0; i < 8; ++i) {
    length += static_cast<char>((std::uint64_t{header.size()} >> (8 * i)) & 0xffU);
  }
  output.write(std::as_bytes(std::span(length)));
  output.write(std::as_bytes(std::span(header)));
  std::uint64_t bytes = length.size() + header.size();
  for (const NewTensor* tensor : order) {
    const std::vector<std::byte> data = load_little_endian(*tensor);
    output.write(data);
    bytes += data.size();
  }
  return bytes;
}

}  // namespace aether2onnx::safetensors
