// What an inspection says of checkpoints and ONNX files.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "formats/onnx/onnx.h"
#include "network/network.h"
#include "network/onnx_outline.h"
#include "sample_networks.h"
#include "statistics.h"
#include "support.h"

namespace aether2onnx::inspect_test {
namespace {

using test::catch_error;
using test::MemoryOutput;

std::vector<std::byte> checkpoint_of(const tools::NetworkShape& shape,
                                     const tools::CheckpointLayout& layout = {}) {
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(shape);
  tools::fill_random(tensors, 4);
  return tools::write_checkpoint(tensors, layout);
}

std::vector<std::byte> convert_to_memory(std::span<const std::byte> checkpoint,
                                         const ConvertOptions& options) {
  MemoryOutput output;
  convert(MemoryInput(checkpoint), {&output, nullptr, {}}, options);
  return output.bytes();
}

Inspection inspect_bytes(std::span<const std::byte> bytes, bool tensors = false) {
  InspectOptions options;
  options.tensors = tensors;
  return inspect(MemoryInput(bytes), options);
}

// What must be the same of a checkpoint and of the ONNX file made of it.
void expect_same_network(const NetworkInfo& a, const NetworkInfo& b) {
  EXPECT_EQ(a.architecture, b.architecture);
  EXPECT_EQ(a.generation, b.generation);
  EXPECT_EQ(a.model_type, b.model_type);
  EXPECT_EQ(a.scale, b.scale);
  EXPECT_EQ(a.input_channels, b.input_channels);
  EXPECT_EQ(a.embed_dim, b.embed_dim);
  EXPECT_EQ(a.depths, b.depths);
  EXPECT_EQ(a.hidden_dim, b.hidden_dim);
  EXPECT_EQ(a.large_kernel, b.large_kernel);
}

TEST(Inspect, SaysTheSameOfACheckpointAndOfItsModel) {
  for (const std::int64_t scale : {1, 2, 3, 4, 8}) {
    for (const int opset : {11, 17, 20}) {
      for (const bool fused : {true, false}) {
        SCOPED_TRACE(fmt::format("x{} opset {} fused {}", scale, opset, fused));
        tools::NetworkShape shape;
        shape.scale = scale;
        shape.fused = fused;
        shape.channels = scale == 3 ? 1 : 3;
        const auto checkpoint = checkpoint_of(shape);
        ConvertOptions options;
        options.opset_version = opset;
        const Inspection before = inspect_bytes(checkpoint);
        const Inspection after = inspect_bytes(convert_to_memory(checkpoint, options));
        ASSERT_TRUE(before.network && after.network && before.cost && after.cost);
        expect_same_network(*before.network, *after.network);
        EXPECT_EQ(before.network->fused, fused);
        EXPECT_TRUE(after.network->fused);
        EXPECT_EQ(before.fused_cost.has_value(), !fused);
        const NetworkCost& deployed = fused ? *before.cost : *before.fused_cost;
        EXPECT_EQ(deployed.parameters, after.cost->parameters);
        EXPECT_EQ(deployed.multiply_adds_per_megapixel, after.cost->multiply_adds_per_megapixel);
        EXPECT_EQ(deployed.weight_bytes, after.cost->weight_bytes);
        EXPECT_EQ(deployed.activation_bytes_per_megapixel,
                  after.cost->activation_bytes_per_megapixel);
        EXPECT_EQ(after.source.parameters, after.cost->parameters);
        EXPECT_TRUE(after.warnings.empty());
        EXPECT_EQ(after.onnx->precision, "fp32");
      }
    }
  }
}

// Worked out by hand from the shapes: a network of scale 1 with one block.
TEST(Inspect, CountsWhatANetworkTakes) {
  tools::NetworkShape shape;
  shape.channels = 1;
  shape.embed_dim = 8;
  shape.hidden_dim = 16;
  shape.depths = {1};
  shape.large_kernel = 5;
  shape.small_kernel = 3;
  shape.scale = 1;
  const Inspection inspection = inspect_bytes(checkpoint_of(shape));
  ASSERT_TRUE(inspection.cost && inspection.fused_cost);
  constexpr std::uint64_t around =
      8 * 9 + 8 * 8 * 9 + 64 * 8 * 9 + 64 * 9;  // convolutions of 3 x 3
  constexpr std::uint64_t projections = 3 * 8 * 16;
  constexpr std::uint64_t fused = around + projections + 8 * 25;
  EXPECT_EQ(inspection.fused_cost->multiply_adds_per_megapixel, fused * 1'000'000);
  EXPECT_EQ(inspection.cost->multiply_adds_per_megapixel, (fused + 8 * 9) * 1'000'000);
  constexpr std::uint64_t biases = 8 + 8 + (16 + 16 + 8) + (8 + 8) + (8 + 8) + 8 + 64 + 1;
  EXPECT_EQ(inspection.fused_cost->parameters, fused + biases);
  EXPECT_EQ(inspection.cost->parameters, fused + biases + 8 * 9 + 8);
  // At the most: before the upsampler's activation, 64 channels go in and 64 come out.
  EXPECT_EQ(inspection.cost->activation_bytes_per_megapixel, (64U + 64U) * 4 * 1'000'000);
}

TEST(Inspect, NamesTheVariant) {
  for (const auto& [name, shape] : {std::pair("aether_small", tools::aether_small(2, true)),
                                    std::pair("aether_medium", tools::aether_medium(4, false))}) {
    const auto checkpoint = checkpoint_of(shape);
    EXPECT_EQ(inspect_bytes(checkpoint).network->model_type, name);
    EXPECT_EQ(inspect_bytes(convert_to_memory(checkpoint, {})).network->model_type, name);
  }
}

TEST(Inspect, HalfPrecisionTakesHalf) {
  const auto checkpoint = checkpoint_of({});
  ConvertOptions options;
  options.precision = Precision::fp16;
  const Inspection half = inspect_bytes(convert_to_memory(checkpoint, options));
  const Inspection full = inspect_bytes(convert_to_memory(checkpoint, {}));
  EXPECT_EQ(half.onnx->precision, "fp16");
  EXPECT_EQ(half.cost->weight_bytes * 2, full.cost->weight_bytes);
  EXPECT_EQ(half.cost->activation_bytes_per_megapixel * 2,
            full.cost->activation_bytes_per_megapixel);
  EXPECT_EQ(half.source.dtype, "float16");
}

// The same bytes, with one metadata value overwritten in place.
TEST(Inspect, MetadataThatContradictTheGraphAreTold) {
  const auto model = convert_to_memory(checkpoint_of({}), {});
  std::string text(reinterpret_cast<const char*>(model.data()), model.size());
  const std::string honest(
      "\x0a\x05scale\x12\x01"
      "2");
  const std::size_t at = text.rfind(honest);
  ASSERT_NE(at, std::string::npos);
  text[at + honest.size() - 1] = '4';
  const Inspection inspection = inspect_bytes(test::bytes_of(text));
  ASSERT_TRUE(inspection.network);
  EXPECT_EQ(inspection.network->scale, 2);
  ASSERT_EQ(inspection.warnings.size(), 1U);
  const Diagnostic& warning = inspection.warnings[0];
  EXPECT_EQ(warning.code, "onnx-metadata");
  EXPECT_EQ(warning.subject, "scale");
  EXPECT_EQ(warning.expected, "2");
  EXPECT_EQ(warning.found, "4");
}

// --- the outline of a graph ---

network::Outline outline_of_sample() {
  const auto model = convert_to_memory(checkpoint_of({}), {});
  return network::outline_of(onnx::read(MemoryInput(model), {}));
}

TEST(Inspect, AGraphWithAnyOtherStepIsNoAetherNet) {
  const network::Outline outline = outline_of_sample();
  ASSERT_TRUE(network::recognise(outline, {}));
  for (std::size_t i = 0; i < outline.steps.size(); ++i) {
    network::Outline changed = outline;
    changed.steps.erase(changed.steps.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_FALSE(network::recognise(changed, {})) << i << " left out";
    changed = outline;
    changed.steps.insert(changed.steps.begin() + static_cast<std::ptrdiff_t>(i),
                         network::OutlineStep{});
    EXPECT_FALSE(network::recognise(changed, {})) << i << " inserted";
    for (std::int64_t& size : (changed = outline).steps[i].shape) {
      for (const std::int64_t forged : {std::int64_t{0}, std::int64_t{-1}, size + 1,
                                        std::numeric_limits<std::int64_t>::max()}) {
        const std::int64_t honest = std::exchange(size, forged);
        const auto network = network::recognise(changed, {});
        EXPECT_FALSE(network) << i << ": " << forged;
        size = honest;
      }
    }
  }
  network::Outline fewer = outline;
  --fewer.gelus;
  EXPECT_FALSE(network::recognise(fewer, {}));
  EXPECT_FALSE(network::recognise(network::Outline{}, {}));
}

TEST(Inspect, TheGroupsOfBlocksComeFromNamesOrNotesOrTheVariant) {
  network::Outline outline = outline_of_sample();
  NetworkInfo hint;
  hint.depths = {1, 2};
  EXPECT_EQ(network::recognise(outline, hint)->facts.depths, (std::vector<std::int64_t>{2, 1}));
  for (network::OutlineStep& step : outline.steps) step.name = "w";
  EXPECT_EQ(network::recognise(outline, hint)->facts.depths, hint.depths);
  hint.depths = {5, 9};
  EXPECT_EQ(network::recognise(outline, hint)->facts.depths, (std::vector<std::int64_t>{3}));
  hint.depths = {3, 0};
  EXPECT_EQ(network::recognise(outline, hint)->facts.depths, (std::vector<std::int64_t>{3}));

  const auto small = convert_to_memory(checkpoint_of(tools::aether_small(2, true)), {});
  outline = network::outline_of(onnx::read(MemoryInput(small), {}));
  for (network::OutlineStep& step : outline.steps) step.name = "w";
  const auto network = network::recognise(outline, {});
  EXPECT_EQ(network->facts.model_type, "aether_small");
  EXPECT_EQ(network->facts.depths, (std::vector<std::int64_t>{4, 4, 4, 4}));
}

// --- what isn't AetherNet ---

TEST(Inspect, AnotherNetworkIsNoError) {
  const auto bytes =
      tools::write_checkpoint({{"body.0.weight", {2}, {1, -3}}, {"body.1.weight", {1}, {0.5}}});
  const Inspection inspection = inspect_bytes(bytes, true);
  EXPECT_FALSE(inspection.network);
  EXPECT_FALSE(inspection.cost);
  EXPECT_NE(inspection.not_recognised.text.find("SRVGGNetCompact"), std::string::npos);
  ASSERT_EQ(inspection.tensors.size(), 2U);
  EXPECT_EQ(inspection.tensors[0].name, "body.0.weight");
  EXPECT_EQ(inspection.tensors[0].min, -3);
  EXPECT_EQ(inspection.tensors[0].max, 1);
  EXPECT_EQ(inspection.tensors[0].mean, -1);
}

TEST(Inspect, DifferencesAreListed) {
  std::vector<tools::NamedTensor> tensors = tools::make_tensors(tools::NetworkShape{});
  tensors.pop_back();
  tensors.push_back({"extra", {1}, {0}});
  const Inspection inspection = inspect_bytes(tools::write_checkpoint(tensors));
  EXPECT_FALSE(inspection.network);
  EXPECT_EQ(inspection.findings.size(), 2U);
}

TEST(Inspect, WhatIsNoFileToReadIsAnError) {
  EXPECT_EQ(catch_error([] { inspect_bytes(test::bytes_of("")); }).kind, ErrorKind::unsupported);
  EXPECT_EQ(catch_error([] { inspect_bytes(test::bytes_of("hello")); }).kind,
            ErrorKind::unsupported);
  const auto checkpoint = checkpoint_of({});
  EXPECT_TRUE(catch_error([&] {
                inspect_bytes(std::span(checkpoint).first(checkpoint.size() / 2));
              }).thrown);
  EXPECT_EQ(catch_error([] { inspect_file("missing.pth", {}); }).kind, ErrorKind::io);
}

TEST(Inspect, TellsHowFarTheTrainingHadCome) {
  const Inspection iter = inspect_file(
      std::filesystem::path(AETHER2ONNX_TEST_DATA) / "torch/nested_params_ema.pth", {});
  EXPECT_EQ(iter.training, (std::vector<std::pair<std::string, std::string>>{{"iter", "5000"}}));
  const Inspection epoch =
      inspect_file(std::filesystem::path(AETHER2ONNX_TEST_DATA) / "torch/nested_twice.pth", {});
  EXPECT_EQ(epoch.training, (std::vector<std::pair<std::string, std::string>>{{"epoch", "3"}}));
  EXPECT_TRUE(inspect_bytes(checkpoint_of({})).training.empty());
}

// --- statistics ---

template <typename Word>
InspectedTensor measured(DType dtype, const std::vector<Word>& words) {
  TensorData data{dtype, {static_cast<std::int64_t>(words.size())}, {}};
  data.bytes.resize(words.size() * sizeof(Word));
  if (!words.empty()) std::memcpy(data.bytes.data(), words.data(), data.bytes.size());
  InspectedTensor tensor;
  measure(data, tensor);
  return tensor;
}

TEST(Statistics, CountsWhatIsNotFiniteApart) {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  constexpr float infinity = std::numeric_limits<float>::infinity();
  const InspectedTensor tensor =
      measured<float>(DType::float32, {nan, 2, -infinity, -4, infinity, nan, nan});
  EXPECT_EQ(tensor.nan, 3U);
  EXPECT_EQ(tensor.infinite, 2U);
  EXPECT_EQ(tensor.min, -4);
  EXPECT_EQ(tensor.max, 2);
  EXPECT_EQ(tensor.mean, -1);
}

TEST(Statistics, NothingOfNothing) {
  const InspectedTensor none = measured<float>(DType::float32, {});
  EXPECT_FALSE(none.min || none.max || none.mean);
  const InspectedTensor only_nan = measured<double>(DType::float64, {std::nan("")});
  EXPECT_EQ(only_nan.nan, 1U);
  EXPECT_FALSE(only_nan.min || only_nan.max || only_nan.mean);
}

TEST(Statistics, LargeNumbersHaveAMean) {
  constexpr double largest = std::numeric_limits<double>::max();
  const InspectedTensor tensor = measured<double>(DType::float64, {largest, largest, largest});
  EXPECT_EQ(tensor.mean, largest);
}

TEST(Statistics, EveryType) {
  EXPECT_EQ(measured<std::uint16_t>(DType::float16, {0x3c00, 0xc000}).min, -2);
  EXPECT_EQ(measured<std::uint16_t>(DType::bfloat16, {0x3f80, 0xc000}).max, 1);
  EXPECT_EQ(measured<std::int64_t>(DType::int64, {-5, 3}).mean, -1);
  EXPECT_EQ(measured<std::int8_t>(DType::int8, {-128}).min, -128);
  EXPECT_EQ(measured<std::uint64_t>(DType::uint64, {~0ULL}).max, 18446744073709551616.0);
  EXPECT_EQ(measured<std::uint8_t>(DType::boolean, {0, 1}).mean, 0.5);
  // 448 is the largest of E4M3, 0x01 its smallest subnormal, 0x7f NaN.
  const InspectedTensor e4m3 = measured<std::uint8_t>(DType::float8_e4m3fn, {0x7e, 0xff, 0x01});
  EXPECT_EQ(e4m3.max, 448);
  EXPECT_EQ(e4m3.min, std::ldexp(1, -9));
  EXPECT_EQ(e4m3.nan, 1U);
  const InspectedTensor e5m2 = measured<std::uint8_t>(DType::float8_e5m2, {0x7b, 0xfc, 0x7f});
  EXPECT_EQ(e5m2.max, 57344);
  EXPECT_EQ(e5m2.infinite, 1U);
  EXPECT_EQ(e5m2.nan, 1U);
  EXPECT_FALSE(measured<std::uint64_t>(DType::complex64, {0}).problem.empty());
  EXPECT_FALSE(measured<std::uint8_t>(DType::qint8, {0}).problem.empty());
}

}  // namespace
}  // namespace aether2onnx::inspect_test
