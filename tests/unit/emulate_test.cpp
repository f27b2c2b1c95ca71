// 16-bit models that are rewritten to compute in float32. Whether the results are those of a
// device is tested with ONNX Runtime; here, what is written for each part of a model.

#include "formats/onnx/emulate.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "base/tensor.h"
#include "check_models.h"

namespace aether2onnx::onnx::emulate_test {
namespace {

using namespace test;  // models by hand

// --- forged models ---

std::string value(const std::string& name, int type) { return value_info(name, type, {}); }

// The attribute of a Cast.
std::string to(int type) { return int_attribute("to", static_cast<std::uint64_t>(type)); }

std::string attribute(const std::string& name, int type, const std::string& content) {
  return field(5, field(1, name) + content + number_field(20, static_cast<std::uint64_t>(type)));
}

std::string weight(const std::string& name, int type, const std::string& element) {
  return tensor(name, type, {1}, element);
}

// A number of 16 bits by its bits.
std::string bits(unsigned number) {
  return {static_cast<char>(number & 0xFFU), static_cast<char>(number >> 8U)};
}

const std::string kInput = field(11, value("x", kHalf));
const std::string kOutput = field(12, value("y", kHalf));
const std::string kWeight = weight("w", kHalf, bits(0x3E00));  // 1.5

std::string model(const std::string& graph) {
  return number_field(1, 8) + field(7, graph) + field(8, number_field(2, 17));
}

Model read_text(const std::string& bytes) { return read(MemoryInput(bytes_of(bytes)), {}); }

std::string emulated(const std::string& bytes) {
  return emulate_half_types(MemoryInput(bytes_of(bytes)), read_text(bytes), nullptr);
}

std::string widened(const std::string& bytes) {
  return widen_half_types(MemoryInput(bytes_of(bytes)), read_text(bytes), nullptr);
}

// The nodes as lines: "Mul(x, w) -> y", with the type that a Cast makes.
std::vector<std::string> nodes_of(const std::string& bytes) {
  std::vector<std::string> lines;
  for (const Node& node : read_text(bytes).nodes) {
    const auto type = node.attributes.find("to");
    const std::string made = type == node.attributes.end()
                                 ? ""
                                 : fmt::format(" {}", std::get<std::int64_t>(type->second));
    lines.push_back(fmt::format("{}({}) -> {}{}", node.op_type, fmt::join(node.inputs, ", "),
                                fmt::join(node.outputs, ", "), made));
  }
  return lines;
}

using Lines = std::vector<std::string>;

std::vector<double> elements(const std::string& bytes, const std::string& name) {
  const Model file = read_text(bytes);
  for (const Tensor& tensor : file.initializers) {
    if (tensor.name != name) continue;
    const TensorData data = read_tensor(tensor, MemoryInput(bytes_of(bytes)), nullptr);
    EXPECT_EQ(data.dtype, DType::float32) << name;
    return to_doubles(data.bytes, data.dtype);
  }
  return {};
}

class OneSibling final : public io::Siblings {
 public:
  explicit OneSibling(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::unique_ptr<Input> open(const std::string& /*name*/) const override {
    return std::make_unique<MemoryInput>(bytes_);
  }

 private:
  std::span<const std::byte> bytes_;
};

TEST(Emulate, EveryResultIsRoundedToItsTypeAndComputedInFloat32) {
  const std::string result =
      emulated(model(kInput + kWeight + node("Mul", {"x", "w"}, "y") + kOutput));
  EXPECT_EQ(nodes_of(result), (Lines{"Cast(x) -> x/half 10", "Cast(x/half) -> x/rounded 1",
                                     "Mul(x/rounded, w) -> y/unrounded",
                                     "Cast(y/unrounded) -> y/half 10", "Cast(y/half) -> y 1"}));
  EXPECT_EQ(elements(result, "w"), (std::vector<double>{1.5}));
  const Model file = read_text(result);
  EXPECT_EQ(file.inputs.at(0).elem_type, kFloat);
  EXPECT_EQ(file.outputs.at(0).elem_type, kFloat);
  EXPECT_FALSE(has_half_types(file));
}

TEST(Emulate, ResultsOfOtherTypesAreNotRounded) {
  const std::string nodes = node("Cast", {"x"}, "a", to(kFloat)) +
                            node("Sqrt", {"a"}, "b") +  // float32, from a float32 value
                            node("Shape", {"x"}, "s") + node("Size", {"x"}, "n") +
                            node("Gather", {"s", "zero"}, "g") +
                            node("Cast", {"b"}, "y", to(kBfloat16));
  const std::string zero = weight("zero", kInt64, std::string(8, '\0'));
  const std::string result = emulated(model(kInput + zero + nodes + kOutput));
  EXPECT_EQ(nodes_of(result),
            (Lines{"Cast(x) -> x/half 10", "Cast(x/half) -> x/rounded 1", "Cast(x/rounded) -> a 1",
                   "Sqrt(a) -> b", "Shape(x/rounded) -> s", "Size(x/rounded) -> n",
                   "Gather(s, zero) -> g", "Cast(b) -> y/unrounded 1",
                   "Cast(y/unrounded) -> y/half 16", "Cast(y/half) -> y 1"}));
}

// Before, these results got a Cast to 16 bits and a Cast to float32, so that no program loaded the
// file: Where needs a bool, Gather integers, and DequantizeLinear int8.
TEST(Emulate, BoolsAndIntegersMadeOf16BitValuesAreNotRounded) {
  const std::string nodes =
      node("Greater", {"x", "w"}, "b") + node("ArgMax", {"x"}, "i") +
      node("QuantizeLinear", {"x", "w"}, "q") +
      node("TopK", {"x", "k"}, "top", field(2, "indices")) + node("Where", {"b", "x", "w"}, "y") +
      node("LayerNormalization", {"x", "w"}, "n", field(2, "") + field(2, "d"));
  const Lines lines = nodes_of(emulated(model(kInput + kWeight + nodes + kOutput)));
  EXPECT_EQ(
      lines,
      (Lines{"Cast(x) -> x/half 10", "Cast(x/half) -> x/rounded 1", "Greater(x/rounded, w) -> b",
             "ArgMax(x/rounded) -> i", "QuantizeLinear(x/rounded, w) -> q",
             "TopK(x/rounded, k) -> top/unrounded, indices", "Cast(top/unrounded) -> top/half 10",
             "Cast(top/half) -> top 1", "Where(b, x/rounded, w) -> y/unrounded",
             "Cast(y/unrounded) -> y/half 10", "Cast(y/half) -> y 1",
             "LayerNormalization(x/rounded, w) -> n/unrounded, , d/unrounded",
             "Cast(n/unrounded) -> n/half 10", "Cast(n/half) -> n 1",
             "Cast(d/unrounded) -> d/half 10", "Cast(d/half) -> d 1"}));
}

TEST(Emulate, ACastWithoutATypeIsCopied) {
  const std::string result = emulated(model(kInput + node("Cast", {"x"}, "y") + kOutput));
  EXPECT_EQ(nodes_of(result).back(), "Cast(x/rounded) -> y");
}

TEST(Emulate, ConstantNodesOf16BitsBecomeInitializersOfFloat32) {
  const auto constant = [](const std::string& name, int type, const std::string& element) {
    return node("Constant", {}, name, attribute("value", 4, tensor("", type, {1}, element)));
  };
  const std::string result = emulated(model(kInput + constant("c", kBfloat16, bits(0x4040)) +  // 3
                                            constant("f", kFloat, fixed32(2)) +
                                            node("Clip", {"x", "c", "f"}, "y") + kOutput));
  EXPECT_EQ(elements(result, "c"), (std::vector<double>{3}));
  EXPECT_EQ(elements(result, "f"), (std::vector<double>{2}));
  EXPECT_EQ(nodes_of(result), (Lines{"Cast(x) -> x/half 10", "Cast(x/half) -> x/rounded 1",
                                     "Constant() -> f", "Clip(x/rounded, c, f) -> y/unrounded",
                                     "Cast(y/unrounded) -> y/half 10", "Cast(y/half) -> y 1"}));
}

// An input with an initializer is a weight with a default, not a value that a caller gives.
TEST(Emulate, AnInputWithAnInitializerIsNoCallersInput) {
  const std::string input = field(11, value("w", kHalf));
  const std::string result =
      emulated(model(input + kInput + kWeight + node("Mul", {"x", "w"}, "y") + kOutput));
  EXPECT_EQ(nodes_of(result).at(2), "Mul(x/rounded, w) -> y/unrounded");
  EXPECT_EQ(read_text(result).inputs.at(0).elem_type, kFloat);
}

TEST(Emulate, TypesOfResultsInTheFileAreDroppedAndAllElseIsKept) {
  const std::string text = field(10, "a description");
  const std::string unknown64 = varint(99U << 3U | 1U) + "12345678";
  const std::string unknown32 = varint(98U << 3U | 5U) + "1234";
  const std::string slope = attribute("alpha", 1, varint(2U << 3U | 5U) + fixed32(0.25F));
  const std::string result =
      emulated(model(text + unknown64 + unknown32 + kInput + field(13, value("a", kHalf)) +
                     node("LeakyRelu", {"x"}, "y", slope) + kOutput));
  for (const std::string& kept : {text, unknown64, unknown32, slope}) {
    EXPECT_NE(result.find(kept), std::string::npos);
  }
  EXPECT_EQ(result.find(value("a", kHalf)), std::string::npos);
  EXPECT_EQ(result.find(value("a", kFloat)), std::string::npos);
}

TEST(Emulate, AFloat32ModelStaysAsItIs) {
  const std::string file = model(field(11, value("x", kFloat)) + weight("w", kFloat, fixed32(2)) +
                                 node("Mul", {"x", "w"}, "y") + field(12, value("y", kFloat)));
  EXPECT_FALSE(has_half_types(read_text(file)));
  EXPECT_EQ(emulated(file), file);
  EXPECT_EQ(widened(file), file);
}

TEST(Emulate, WithoutRoundingOnlyTypesChange) {
  const std::string result = widened(model(kInput + kWeight + node("Mul", {"x", "w"}, "a") +
                                           node("Cast", {"a"}, "y", to(kHalf)) + kOutput));
  EXPECT_EQ(nodes_of(result), (Lines{"Mul(x, w) -> a", "Cast(a) -> y 1"}));
  EXPECT_EQ(elements(result, "w"), (std::vector<double>{1.5}));
  EXPECT_FALSE(has_half_types(read_text(result)));
}

TEST(Emulate, WithoutRoundingTheRootOfTwoIsRestored) {
  struct Constant {
    unsigned bits;
    int type;
    double expected;
  };
  for (const Constant& constant :
       {Constant{0x3DA8, kHalf, 1.4142135F}, Constant{0x39A8, kHalf, 0.70710677F},
        Constant{0x3FB5, kBfloat16, 1.4142135F}, Constant{0x3F35, kBfloat16, 0.70710677F},
        Constant{0x3E00, kHalf, 1.5}}) {
    const std::string root = weight("w", constant.type, bits(constant.bits));
    const std::string file = model(kInput + root + node("Div", {"x", "w"}, "y") + kOutput);
    EXPECT_EQ(elements(widened(file), "w"), (std::vector<double>{constant.expected}));
    const double rounded = elements(emulated(file), "w").at(0);
    EXPECT_NEAR(rounded, constant.expected, 0.01);
    EXPECT_EQ(static_cast<float>(rounded) == static_cast<float>(constant.expected),
              constant.bits == 0x3E00);
  }
}

TEST(Emulate, ExternalDataMoveIntoTheFile) {
  const auto entry = [](const std::string& key, const std::string& text) {
    return field(13, field(1, key) + field(2, text));
  };
  const auto external = [&](const std::string& name, int type, const std::string& place) {
    return field(5, number_field(1, 2) + number_field(2, static_cast<std::uint64_t>(type)) +
                        field(8, name) + entry("location", "weights") + entry("offset", place) +
                        entry("length", type == kFloat ? "8" : "4") + number_field(14, 1));
  };
  const std::string data = bits(0x3C00) + bits(0x4000) + fixed32(3) + fixed32(4);
  const std::string file = model(kInput + external("w", kHalf, "0") + external("v", kFloat, "4") +
                                 node("Clip", {"x", "w", "v"}, "y") + kOutput);
  const OneSibling sibling(bytes_of(data));
  const std::string result =
      emulate_half_types(MemoryInput(bytes_of(file)), read_text(file), &sibling);
  EXPECT_TRUE(external_files(read_text(result)).empty());
  EXPECT_EQ(elements(result, "w"), (std::vector<double>{1, 2}));
  EXPECT_EQ(elements(result, "v"), (std::vector<double>{3, 4}));
  const Caught caught = catch_error([&] { emulated(file); });
  EXPECT_EQ(caught.kind, ErrorKind::io) << caught.message;
}

// Many tensors can share one part of external data: the size is known before anything is read.
TEST(Emulate, AModelOfOver2GiBIsRefusedBeforeItIsRead) {
  const auto external = [](const std::string& name) {
    return field(5, number_field(1, 1U << 28U) + number_field(2, kFloat) + field(8, name) +
                        field(13, field(1, "location") + field(2, "weights")) +
                        number_field(14, 1));
  };
  const std::string file = model(kInput + external("a") + external("b") + kWeight + kOutput);
  const Caught caught = catch_error([&] { emulated(file); });
  EXPECT_EQ(caught.kind, ErrorKind::limit) << caught.message;
  EXPECT_EQ(caught.code, "onnx-memory-size");
}

// A file may change between its description and its reading.
TEST(Emulate, AFileThatNoLongerFitsItsDescriptionIsRefused) {
  const std::string one = model(kInput + kWeight + node("Mul", {"x", "w"}, "y") + kOutput);
  const std::string two = model(kInput + kWeight + node("Mul", {"x", "w"}, "a") +
                                node("Mul", {"a", "w"}, "y") + kOutput);
  for (const std::string& bytes : {two, one.substr(0, one.size() - 6)}) {
    const Caught caught = catch_error(
        [&] { emulate_half_types(MemoryInput(bytes_of(bytes)), read_text(one), nullptr); });
    EXPECT_EQ(caught.kind, ErrorKind::malformed);
    EXPECT_EQ(caught.code, "onnx-malformed") << caught.message;
  }
}

// --- files of the converter ---

struct Form {
  Precision precision;
  int opset;
  bool external;
};

TEST(Emulate, FilesOfTheConverterKeepTheirNodesAndRoundEachHalfResultOnce) {
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
  tools::fill_random(tensors, 3);
  const auto checkpoint = tools::write_checkpoint(tensors);
  for (const Form& form : {Form{Precision::fp16, 17, false}, Form{Precision::fp16, 13, true},
                           Form{Precision::bf16, 22, false}, Form{Precision::mixed_fp16, 17, true},
                           Form{Precision::mixed_bf16, 22, false}}) {
    ConvertOptions options;
    options.precision = form.precision;
    options.opset_version = form.opset;
    if (form.external) options.external_data_threshold = 1;
    MemoryOutput model_output;
    MemoryOutput data_output;
    convert(MemoryInput(checkpoint), {&model_output, &data_output, "weights"}, options);
    const MemoryInput input(model_output.bytes());
    const Model before = read(input, {});
    ASSERT_TRUE(has_half_types(before));
    const OneSibling sibling(data_output.bytes());
    const Model after = read_text(emulate_half_types(input, before, &sibling));
    EXPECT_FALSE(has_half_types(after));
    EXPECT_TRUE(external_files(after).empty());
    EXPECT_EQ(after.initializers.size(), before.initializers.size());

    // Each result with a name of its own, and the 16-bit casts by the value they round.
    std::map<std::string, int> rounded;
    std::size_t kept = 0;
    for (const Node& node : after.nodes) {
      const auto type = node.attributes.find("to");
      const bool is_cast = node.op_type == "Cast" && type != node.attributes.end();
      const auto made = is_cast ? std::get<std::int64_t>(type->second) : 0;
      if (made == kHalf || made == kBfloat16) ++rounded[node.inputs.at(0)];
      const bool of_rounding = node.outputs.at(0).ends_with("/half") ||
                               (is_cast && node.inputs.at(0).ends_with("/half"));
      kept += of_rounding ? 0U : 1U;
    }
    EXPECT_EQ(kept, before.nodes.size());
    EXPECT_GT(rounded.size(), 10U);
    for (const auto& [name, times] : rounded) EXPECT_EQ(times, 1) << name;
    if (!is_mixed(form.precision)) continue;
    EXPECT_LT(rounded.size(), before.nodes.size()) << "float32 results stay as they are";
  }
}

// Two graphs in one file: protobuf joins them. Our own reader refuses such a file.
TEST(Emulate, AdditionalOutputsAreAGraphOfOutputs) {
  EXPECT_EQ(additional_outputs({"y/half", "w"}),
            field(7, field(12, field(1, "y/half")) + field(12, field(1, "w"))));
}

}  // namespace
}  // namespace aether2onnx::onnx::emulate_test
