// Reading and writing ONNX files: our own, forged ones, and parts of them.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <map>

#include "base/limits.h"
#include "formats/onnx/onnx.h"
#include "protobuf.h"
#include "sample_networks.h"
#include "support.h"

namespace aether2onnx::onnx_read_test {
namespace {

using test::bytes_of;
using test::catch_error;
using test::Caught;
using test::field;
using test::fixed32;
using test::MemoryOutput;
using test::number_field;
using test::varint;

// A model with one initializer of these fields.
std::string model_of(const std::string& tensor) {
  return number_field(1, 8) + field(7, field(5, tensor));
}

std::string tensor_head(int type, std::uint64_t elements) {
  return number_field(1, elements) + number_field(2, static_cast<std::uint64_t>(type)) +
         field(8, "t");
}

onnx::Model read(const std::string& model) { return onnx::read(MemoryInput(bytes_of(model)), {}); }

TensorData only_tensor(const std::string& model) {
  return onnx::read_tensor(read(model).initializers.at(0), MemoryInput(bytes_of(model)), nullptr);
}

Caught tensor_error(const std::string& tensor) {
  return catch_error([&] { only_tensor(model_of(tensor)); });
}

std::string hex(const std::vector<std::byte>& bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  }
  return text;
}

// --- our own files ---

struct Written {
  ConvertReport report;
  std::vector<std::byte> model;
  std::vector<std::byte> external;
};

Written write_sample(ConvertOptions options, bool external) {
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
  tools::fill_random(tensors, 3);
  const auto checkpoint = tools::write_checkpoint(tensors);
  if (external) options.external_data_threshold = 1;
  MemoryOutput model;
  MemoryOutput data;
  Written written;
  written.report = convert(MemoryInput(checkpoint), {&model, &data, "weights"}, options);
  written.model = model.bytes();
  written.external = data.bytes();
  return written;
}

class OneFile final : public io::Siblings {
 public:
  explicit OneFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::unique_ptr<Input> open(const std::string& name) const override {
    opened.push_back(name);
    if (name != "weights") return nullptr;
    return std::make_unique<MemoryInput>(bytes_);
  }
  mutable std::vector<std::string> opened;

 private:
  std::span<const std::byte> bytes_;
};

TEST(OnnxRead, DescribesOurOwnFiles) {
  for (const int opset : {11, 17, 20}) {
    ConvertOptions options;
    options.opset_version = opset;
    options.source_name = "x.pth";
    options.shape = InputShape::dynamic_defaults();
    const Written written = write_sample(options, false);
    const onnx::Model file = onnx::read(MemoryInput(written.model), {});
    EXPECT_EQ(file.ir_version, written.report.graph.ir_version);
    ASSERT_EQ(file.opsets.size(), 1U);
    EXPECT_EQ(file.opsets[0], (std::pair<std::string, std::int64_t>("", opset)));
    EXPECT_EQ(file.producer_name, "aether2onnx");
    EXPECT_EQ(file.nodes.size(), written.report.graph.nodes);
    EXPECT_EQ(file.initializers.size(), written.report.graph.initializers);
    ASSERT_NE(file.find_metadata("source_name"), nullptr);
    EXPECT_EQ(*file.find_metadata("source_name"), "x.pth");
    ASSERT_EQ(file.inputs.size(), 1U);
    EXPECT_EQ(file.inputs[0].dims, written.report.graph.inputs[0].shape);
    EXPECT_EQ(file.outputs[0].dims, written.report.graph.outputs[0].shape);
  }
}

TEST(OnnxRead, WeightsAreTheSameInTheFileAndBesideIt) {
  const Written inside = write_sample({}, false);
  const Written outside = write_sample({}, true);
  ASSERT_FALSE(outside.external.empty());
  const MemoryInput inside_input(inside.model);
  const MemoryInput outside_input(outside.model);
  const onnx::Model inside_file = onnx::read(inside_input, {});
  const onnx::Model outside_file = onnx::read(outside_input, {});
  const OneFile siblings(outside.external);
  ASSERT_EQ(inside_file.initializers.size(), outside_file.initializers.size());
  std::size_t external = 0;
  for (std::size_t i = 0; i < inside_file.initializers.size(); ++i) {
    const onnx::Tensor& tensor = outside_file.initializers[i];
    external += tensor.external_file.empty() ? 0U : 1U;
    const TensorData a = onnx::read_tensor(inside_file.initializers[i], inside_input, nullptr);
    const TensorData b = onnx::read_tensor(tensor, outside_input, &siblings);
    EXPECT_EQ(a.bytes, b.bytes) << tensor.name;
    EXPECT_EQ(a.shape, b.shape) << tensor.name;
  }
  EXPECT_GT(external, 20U);
}

TEST(OnnxRead, EveryTruncationIsRefusedOrRead) {
  const Written written = write_sample({}, false);
  // The reader skips weights, so few of the places within them need a try.
  std::size_t refused = 0;
  std::size_t tried = 0;
  const std::size_t step = written.model.size() > 40'000 ? 97 : 1;
  for (std::size_t length = 0; length < written.model.size();
       length += length < 4000 || length + 4000 > written.model.size() ? 1 : step) {
    ++tried;
    const MemoryInput input(std::span(written.model).first(length));
    try {
      onnx::read(input, {});
    } catch (const Error& error) {
      EXPECT_EQ(error.diagnostic.code, "onnx-malformed") << length;
      ++refused;
    }
  }
  EXPECT_GT(tried, 4000U);
  EXPECT_GT(refused, tried * 9 / 10);
}

TEST(OnnxRead, ExternalDataThatEndsEarlyIsNamed) {
  Written written = write_sample({}, true);
  const MemoryInput input(written.model);
  const onnx::Model file = onnx::read(input, {});
  const auto last = std::find_if(file.initializers.rbegin(), file.initializers.rend(),
                                 [](const auto& tensor) { return !tensor.external_file.empty(); });
  ASSERT_NE(last, file.initializers.rend());
  written.external.pop_back();
  const OneFile siblings(written.external);
  const Caught caught = catch_error([&] { onnx::read_tensor(*last, input, &siblings); });
  ASSERT_TRUE(caught.thrown);
  EXPECT_EQ(caught.code, "onnx-external-place");
  EXPECT_NE(caught.message.find("'weights'"), std::string::npos) << caught.message;
}

// --- external data elsewhere ---

std::string external_tensor(const std::string& location, const std::string& offset,
                            const std::string& length) {
  const auto entry = [](const std::string& key, const std::string& value) {
    return field(13, field(1, key) + field(2, value));
  };
  return tensor_head(1, 2) + entry("location", location) + entry("offset", offset) +
         entry("length", length) + number_field(14, 1);
}

TEST(OnnxRead, ExternalDataIsOpenedBesideTheFileOnly) {
  const std::string content(64, '\0');
  for (const std::string location :
       {"../weights", "/etc/passwd", "a/weights", "..", ".", "a\\weights"}) {
    const std::string model = model_of(external_tensor(location, "0", "8"));
    const OneFile siblings(bytes_of(content));
    const Caught caught = catch_error([&] {
      onnx::read_tensor(read(model).initializers.at(0), MemoryInput(bytes_of(model)), &siblings);
    });
    EXPECT_EQ(caught.code, "onnx-external-folder") << location;
    EXPECT_TRUE(siblings.opened.empty()) << location;
  }
}

TEST(OnnxRead, ExternalPlacesAreChecked) {
  const std::string content(64, '\1');
  const OneFile siblings(bytes_of(content));
  const auto read_at = [&](const std::string& offset, const std::string& length) {
    const std::string model = model_of(external_tensor("weights", offset, length));
    return onnx::read_tensor(read(model).initializers.at(0), MemoryInput(bytes_of(model)),
                             &siblings);
  };
  EXPECT_EQ(read_at("56", "8").bytes.size(), 8U);
  EXPECT_EQ(read_at("", "").bytes.size(), 8U);
  for (const std::string offset :
       {"57", "64", "65", "18446744073709551615", "-1", "x", "99999999999999999999999"}) {
    EXPECT_EQ(catch_error([&] { read_at(offset, "8"); }).code, "onnx-external-place") << offset;
  }
  for (const std::string length : {"7", "9", "0", "18446744073709551615", " 8"}) {
    EXPECT_TRUE(catch_error([&] { read_at("0", length); }).thrown) << length;
  }
}

// A small model can have very many tensors that share the bytes of one external file.
TEST(OnnxRead, FarMoreTensorsThanBytesAreRefused) {
  constexpr std::uint64_t elements = 1 << 22;
  const std::vector<std::byte> content(elements * sizeof(float));
  const OneFile siblings(content);
  const std::string model =
      model_of(tensor_head(1, elements) + field(13, field(1, "location") + field(2, "weights")) +
               number_field(14, 1));
  const MemoryInput input(bytes_of(model));
  const onnx::Model file = read(model);
  onnx::TensorReader reader(input, &siblings);
  for (int i = 0; i < 16; ++i) reader.read(file.initializers.at(0));
  const Caught caught = catch_error([&] {
    for (int i = 0; i < 150; ++i) reader.read(file.initializers.at(0));
  });
  EXPECT_EQ(caught.code, "onnx-tensor-bytes");
}

// --- elements in fields of numbers ---

TEST(OnnxRead, NumbersInFieldsOfTheirTypes) {
  EXPECT_EQ(
      hex(only_tensor(model_of(tensor_head(1, 2) + field(4, fixed32(1) + fixed32(-2)))).bytes),
      "0000803f000000c0");
  // A field for each number, in place of packed numbers.
  const std::string single = varint(4U << 3U | 5U) + fixed32(1);
  EXPECT_EQ(hex(only_tensor(model_of(tensor_head(1, 2) + single + single)).bytes),
            "0000803f0000803f");
  EXPECT_EQ(
      hex(only_tensor(model_of(tensor_head(10, 2) + field(5, varint(0x3c00) + varint(0xc000))))
              .bytes),
      "003c00c0");
  EXPECT_EQ(
      hex(only_tensor(model_of(tensor_head(7, 2) + field(7, varint(1) + varint(~0ULL)))).bytes),
      "0100000000000000ffffffffffffffff");
  EXPECT_EQ(hex(only_tensor(model_of(tensor_head(3, 1) + number_field(5, ~0ULL))).bytes), "ff");
  EXPECT_EQ(hex(only_tensor(model_of(tensor_head(13, 1) + field(11, varint(258)))).bytes),
            "0201000000000000");
}

TEST(OnnxRead, ElementsThatDontFitTheShapeAreRefused) {
  const std::vector<std::string> tensors = {
      tensor_head(1, 2) + field(9, std::string(7, '\0')),
      tensor_head(1, 2) + field(9, std::string(9, '\0')),
      tensor_head(1, 2),
      tensor_head(1, 2) + field(4, fixed32(1)),
      tensor_head(1, 2) + field(4, fixed32(1) + fixed32(1) + fixed32(1)),
      tensor_head(1, 2) + field(5, varint(1) + varint(1)),
      tensor_head(7, 1) + field(7, varint(1) + varint(1)),
      tensor_head(1, 1ULL << 62U) + field(9, "abcd"),
      tensor_head(1, ~0ULL) + field(9, "abcd"),
      number_field(1, 1ULL << 40U) + number_field(1, 1ULL << 40U) + tensor_head(1, 1),
  };
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Caught caught = tensor_error(tensors[i]);
    EXPECT_EQ(caught.code, "onnx-tensor-size") << i << caught.message;
    EXPECT_EQ(caught.kind, ErrorKind::malformed) << i;
  }
  for (const int type : {8, 99}) {
    const Caught caught = tensor_error(tensor_head(type, 1));
    EXPECT_EQ(caught.code, "onnx-tensor-type") << type;
    EXPECT_EQ(caught.kind, ErrorKind::unsupported) << type;
  }
}

// --- forged files ---

TEST(OnnxRead, ForgedFilesAreRefused) {
  const std::string graph = field(7, field(2, "g"));
  ASSERT_NO_THROW(read(graph));
  const std::vector<std::pair<std::string, std::string>> files = {
      {"", "onnx-malformed"},
      {"\x08", "onnx-malformed"},
      {number_field(1, 8), "onnx-malformed"},  // no graph
      // A length beyond everything, and beyond the end.
      {varint(7U << 3U | 2U) + varint(~0ULL), "onnx-malformed"},
      {varint(7U << 3U | 2U) + varint(1000) + "short", "onnx-malformed"},
      // A number of twelve bytes, and one of eleven.
      {varint(1U << 3U) + std::string(11, '\x80') + '\1', "onnx-varint"},
      {varint(1U << 3U) + std::string(10, '\xff') + '\1' + graph, "onnx-varint"},
      {varint(7U << 3U | 3U) + graph, "onnx-group"},
      {varint(7U << 3U | 7U) + graph, "onnx-malformed"},  // no wire type
      // Within a node, beyond the node.
      {field(7, field(1, varint(1U << 3U | 2U) + varint(100))), "onnx-malformed"},
      {varint(1U << 3U | 1U) + "1234567", "onnx-malformed"},  // seven of eight bytes
      // The elements of a weight end within a number.
      {model_of(tensor_head(7, 1) + field(7, "\x80")), "onnx-malformed"},
      {model_of(tensor_head(7, 1) + field(7, std::string(10, '\xff'))), "onnx-varint"},
  };
  for (std::size_t i = 0; i < files.size(); ++i) {
    const Caught caught = catch_error([&] { read(files[i].first); });
    EXPECT_EQ(caught.code, files[i].second) << i;
    EXPECT_EQ(caught.kind, ErrorKind::malformed) << i;
  }
}

TEST(OnnxRead, ErrorsNameTheByte) {
  const std::string head = number_field(1, 8) + field(2, "test");
  const auto place = [&](const std::string& behind) {
    std::string found;
    try {
      read(head + behind);
    } catch (const Error& error) {
      found = error.diagnostic.subject;
    }
    return found;
  };
  EXPECT_EQ(place(field(2, "again")), "byte 8");
  EXPECT_EQ(place(field(6, "") + number_field(7, 1)), "byte 10");
  EXPECT_EQ(place("\xba" + std::string(1, '\0')), "byte 8");
}

// An attribute's graph, in whose node is an attribute with a graph, and so on.
std::string nested(int depth) {
  std::string graph;
  for (; depth > 0; --depth) {
    graph = field(1, field(4, "If") + field(5, field(6, graph) + number_field(20, 5)));
  }
  return field(7, graph);
}

TEST(OnnxRead, GraphsAreReadAsDeepAsProtobufReadsThem) {
  const onnx::Model file = read(nested(32));
  EXPECT_EQ(file.nodes.size(), 1U);
  EXPECT_EQ(file.inner_nodes.size(), 31U);
  EXPECT_EQ(catch_error([] { read(nested(34)); }).code, "onnx-depth");
  EXPECT_EQ(catch_error([] { read(nested(5000)); }).code, "onnx-depth");
}

TEST(OnnxRead, NothingOfTheFileIsLeftOut) {
  const std::string inside = tensor_head(1, 0);
  const std::string node = field(4, "Op") + field(7, "lib") + field(8, "v") +
                           field(5, field(1, "t") + field(5, inside) + number_field(20, 4));
  const std::string graph = field(1, node) + field(5, inside);
  const onnx::Model file =
      read(field(7, field(1, field(4, "If") +
                                 field(5, field(1, "g") + field(6, graph) + number_field(20, 5))) +
                        field(15, field(1, inside) + field(2, inside))) +
           field(20, field(1, graph) + field(2, graph)) +
           field(25, field(1, "Op") + field(10, "lib") + field(13, "v") + field(7, node)));
  EXPECT_EQ(file.nodes.size(), 1U);
  EXPECT_EQ(file.inner_nodes.size(), 3U);
  ASSERT_EQ(file.functions.size(), 1U);
  EXPECT_EQ(file.functions[0].nodes.size(), 1U);
  // Two of each of three graphs, one of the function, two of the sparse initializer.
  EXPECT_EQ(file.other_tensors.size(), 9U);
  EXPECT_EQ(file.function_of(file.inner_nodes[0]), &file.functions[0]);
  onnx::Node other = file.inner_nodes[0];
  other.overload = "w";
  EXPECT_EQ(file.function_of(other), nullptr);
  std::size_t nodes = 0;
  file.each_node([&](const onnx::Node&) { ++nodes; });
  EXPECT_EQ(nodes, 5U);
}

TEST(OnnxRead, NamesOfFilesThatLieElsewhere) {
  for (const char* name : {"w.data", "ab:c", "onnx::W", "..data", "…", "C", ".hidden"}) {
    EXPECT_TRUE(onnx::is_beside(name)) << name;
  }
  const std::vector<std::string> elsewhere = {
      "", ".", "..", ". .", "...", "a/b", "a\\b", "/a", "C:w", "c:", "../w", std::string("w\0", 2)};
  for (const std::string& name : elsewhere) {
    EXPECT_FALSE(onnx::is_beside(name)) << name;
  }
}

// "64" may be a size or the name of a dynamic axis. The name is no size.
TEST(OnnxRead, AnAxisWhoseNameIsANumberIsDynamic) {
  const auto input = [](const std::string& dim) {
    const std::string type = field(1, number_field(1, 1) + field(2, field(1, dim)));
    return read(field(7, field(11, field(1, "x") + field(2, type))));
  };
  EXPECT_EQ(input(number_field(1, 64)).inputs.at(0).dims.at(0), "64");
  EXPECT_EQ(input(field(2, "n64")).inputs.at(0).dims.at(0), "n64");
  const onnx::Model odd = input(field(2, "64"));
  EXPECT_EQ(odd.inputs.at(0).dims.at(0), "");
  EXPECT_EQ(odd.unknown_parts.size(), 1U);
}

TEST(OnnxRead, TextsAndPartsAreLimited) {
  const std::string text(Limits{}.onnx_text + 1, 'x');
  EXPECT_EQ(catch_error([&] { read(field(7, field(2, text))); }).code, "onnx-text");

  std::string many;
  many.reserve(2 * Limits{}.onnx_parts + 8);
  for (std::size_t i = 0; i <= Limits{}.onnx_parts; ++i) many.append("\x0a\x00", 2);
  EXPECT_EQ(catch_error([&] { read(field(7, many)); }).code, "onnx-parts");
  const std::string dims = field(1, std::string(Limits{}.onnx_parts + 1, '\1'));
  EXPECT_EQ(catch_error([&] { read(model_of(dims)); }).code, "onnx-parts");
}

// --- records that are written and read back ---

TEST(OnnxWrite, RecordsComeBack) {
  onnx::Model model;
  model.ir_version = 8;
  model.opsets = {{"", 17}, {"com.example", 1}};
  model.producer_name = "test";
  model.producer_version = "1";
  model.graph_name = "g";
  model.metadata = {{"key", "value"}};
  model.inputs = {{"x", 1, {"4", "height", ""}}};
  model.outputs = {{"y", 1, {}}};
  model.nodes = {{"n", "Op", "com.example", {"x", "w"}, {"y"}, {}}};
  model.nodes[0].attributes = {{"f", 0.5F},
                               {"i", std::int64_t{-3}},
                               {"ints", std::vector<std::int64_t>{1, -1}},
                               {"s", std::string("text")}};
  onnx::Tensor weight{"w", onnx::data_type_of(DType::float32), {2, 1}};
  weight.load = [] {
    const std::vector<float> values = {1, -2};
    const auto bytes = std::as_bytes(std::span(values));
    return TensorData{DType::float32, {2}, {bytes.begin(), bytes.end()}};
  };
  model.initializers = {weight};
  MemoryOutput output;
  onnx::write(model, {&output, nullptr, {}});
  const std::vector<std::byte> bytes = output.bytes();
  const onnx::Model found = onnx::read(MemoryInput(bytes), {});
  EXPECT_EQ(found.ir_version, model.ir_version);
  EXPECT_EQ(found.opsets, model.opsets);
  EXPECT_EQ(found.producer_name, model.producer_name);
  EXPECT_EQ(found.producer_version, model.producer_version);
  EXPECT_EQ(found.graph_name, model.graph_name);
  EXPECT_EQ(found.metadata, model.metadata);
  EXPECT_EQ(found.inputs.at(0).dims, model.inputs[0].dims);
  EXPECT_EQ(found.outputs.at(0).name, "y");
  const onnx::Node& node = found.nodes.at(0);
  EXPECT_EQ(node.domain, "com.example");
  EXPECT_EQ(node.inputs, model.nodes[0].inputs);
  EXPECT_EQ(node.attributes, model.nodes[0].attributes);
  const onnx::Tensor& tensor = found.initializers.at(0);
  EXPECT_EQ(tensor.dims, weight.dims);
  EXPECT_EQ(hex(onnx::read_tensor(tensor, MemoryInput(bytes), nullptr).bytes), "0000803f000000c0");
}

}  // namespace
}  // namespace aether2onnx::onnx_read_test
