// The properties of a file, and weights that half precision can't hold.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "base/dtype.h"
#include "golden.h"
#include "model_runner.h"
#include "onnx_checker.h"
#include "onnxruntime.h"
#include "sample_networks.h"
#include "support.h"

namespace aether2onnx::file_test {
namespace {

using test::convert_tensors;
using test::Converted;
using test::expect_golden;
using test::golden_input;
using test::goldens;
using test::MemoryOutput;
using tools::NamedTensor;
using tools::NetworkShape;

// --- properties of the file -------------------------------------------------------------------

std::map<std::string, std::string> metadata_of(const onnx::ModelProto& model) {
  std::map<std::string, std::string> metadata;
  for (const auto& entry : model.metadata_props()) metadata[entry.key()] = entry.value();
  return metadata;
}

TEST(File, Metadata) {
  std::vector<NamedTensor> tensors = tools::make_tensors(tools::aether_small(4, false));
  ConvertOptions options;
  options.shape = {Axis::fixed(1), Axis::range(32, 128, 256), Axis::range(16, 64, 512)};
  options.source_name = "net_g.pth";
  const Converted converted = convert_tensors(tensors, options);
  const auto metadata = metadata_of(test::parse_model(converted.bytes));
  const std::map<std::string, std::string> expected = {
      {"architecture", "AetherNet"},
      {"generation", "G1"},
      {"model_type", "aether_small"},
      {"scale", "4"},
      {"input_channels", "3"},
      {"embed_dim", "96"},
      {"depths", "4,4,4,4"},
      {"hidden_dim", "192"},
      {"large_kernel", "11"},
      {"fused_from", "depthwise 11x11 + 3x3, summed in float64"},
      {"precision", "fp32"},
      {"shape", "dynamic"},
      {"min_shape", "input:1x3x32x16"},
      {"opt_shape", "input:1x3x128x64"},
      {"max_shape", "input:1x3x256x512"},
      {"source_name", "net_g.pth"},
      {"source_sha256", converted.report.source.sha256},
      {"aether2onnx_version", std::string(version())}};
  EXPECT_EQ(metadata, expected);
  EXPECT_EQ(converted.report.source.sha256.size(), 64U);
}

TEST(File, SameInputAndOptionsGiveTheSameBytes) {
  std::vector<NamedTensor> tensors = tools::make_tensors(NetworkShape{});
  tools::fill_random(tensors, 3);
  ConvertOptions options;
  options.source_name = "x.pth";
  EXPECT_EQ(convert_tensors(tensors, options).bytes, convert_tensors(tensors, options).bytes);
}

TEST(File, FusedAndUnfusedCheckpointsGiveTheSameWeights) {
  std::vector<NamedTensor> tensors = tools::make_tensors(NetworkShape{});
  tools::fill_sines(tensors);
  tools::CheckpointLayout doubles;  // so that the fused checkpoint holds the exact sums
  doubles.type = tools::StorageType::float64;
  ConvertOptions options;
  const auto unfused = test::parse_model(convert_tensors(tensors, options, doubles).bytes);
  const auto fused =
      test::parse_model(convert_tensors(tools::fuse(tensors), options, doubles).bytes);
  EXPECT_EQ(unfused.graph().SerializeAsString(), fused.graph().SerializeAsString());
}

TEST(File, ExternalDataBeyondTheThreshold) {
  std::vector<NamedTensor> tensors = tools::make_tensors(goldens().at(2).network);
  tools::fill_sines(tensors);
  const auto checkpoint = tools::write_checkpoint(tensors);
  const MemoryInput input(checkpoint);
  ConvertOptions options;
  options.shape = {Axis::fixed(1), Axis::fixed(7), Axis::fixed(6)};
  options.external_data_threshold = 10000;

  MemoryOutput refused;
  const auto caught = test::catch_error([&] { convert(input, {&refused, nullptr, {}}, options); });
  EXPECT_EQ(caught.kind, ErrorKind::limit);

  const test::TemporaryFolder folder;
  const auto path = folder / "model.onnx";
  MemoryOutput model;
  MemoryOutput data;
  const ConvertReport report = convert(input, {&model, &data, "weights.bin"}, options);
  test::write_file(path, model.bytes());
  test::write_file(folder / "weights.bin", data.bytes());
  EXPECT_EQ(report.output.bytes, model.bytes().size());
  EXPECT_EQ(report.output.external_data_bytes, data.bytes().size());
  EXPECT_LT(model.bytes().size(), 40000U);

  const onnx::ModelProto parsed = test::parse_model(model.bytes());
  std::uint64_t expected_end = 0;
  for (const auto& initializer : parsed.graph().initializer()) {
    if (initializer.name().starts_with("const/")) continue;
    EXPECT_EQ(initializer.data_location(), onnx::TensorProto::EXTERNAL);
    std::map<std::string, std::string> entries;
    for (const auto& entry : initializer.external_data()) entries[entry.key()] = entry.value();
    EXPECT_EQ(entries.at("location"), "weights.bin");
    const std::uint64_t offset = std::stoull(entries.at("offset"));
    EXPECT_EQ(offset % 4096, 0U);
    EXPECT_GE(offset, expected_end);
    expected_end = offset + std::stoull(entries.at("length"));
  }
  EXPECT_EQ(expected_end, data.bytes().size());
  expect_golden(verify::OnnxRuntime::load({}).open(path).run(golden_input()), goldens().at(2),
                5e-6);
}

// --- weights that half can't hold -------------------------------------------------------------

NamedTensor& find(std::vector<NamedTensor>& tensors, const std::string& name) {
  return *std::find_if(tensors.begin(), tensors.end(),
                       [&](const NamedTensor& tensor) { return tensor.name == name; });
}

TEST(HalfRange, AWeightBeyondItIsAnErrorNamingTheTensor) {
  std::vector<NamedTensor> tensors = tools::make_tensors(NetworkShape{});
  NamedTensor& weight = find(tensors, "layers.0.1.ffn.fc2.weight");
  weight.values[3 * 16 + 5] = -70000;
  ConvertOptions options;
  convert_tensors(tensors, options);
  options.precision = Precision::fp16;
  const auto caught = test::catch_error([&] { convert_tensors(tensors, options); });
  EXPECT_EQ(caught.kind, ErrorKind::precision);
  EXPECT_NE(caught.message.find("layers.0.1.ffn.fc2.weight"), std::string::npos) << caught.message;
  EXPECT_NE(caught.message.find("-70000 at [3, 5, 0, 0]"), std::string::npos) << caught.message;
  EXPECT_NE(caught.message.find("fp_mode mixed_fp16 or fp32"), std::string::npos) << caught.message;
}

TEST(HalfRange, ASumBeyondItCountsAfterFusion) {
  std::vector<NamedTensor> tensors = tools::make_tensors(NetworkShape{});
  find(tensors, "layers.0.0.conv.lk_bias").values[2] = 40000;
  find(tensors, "layers.0.0.conv.sk_bias").values[2] = 40000;
  ConvertOptions options;
  options.precision = Precision::fp16;
  const auto caught = test::catch_error([&] { convert_tensors(tensors, options); });
  EXPECT_NE(caught.message.find("layers.0.0.conv.fused_conv.bias"), std::string::npos)
      << caught.message;
  EXPECT_NE(caught.message.find("80000 at [2]"), std::string::npos) << caught.message;
}

TEST(HalfRange, SmallWeightsAreCountedInOneLine) {
  std::vector<NamedTensor> tensors = tools::make_tensors(NetworkShape{});
  for (NamedTensor& tensor : tensors) std::fill(tensor.values.begin(), tensor.values.end(), 1);
  find(tensors, "conv_last.bias").values = {1e-6, 1e-9, -1e-9};
  ConvertOptions options;
  options.precision = Precision::fp16;
  const Converted converted = convert_tensors(tensors, options);
  EXPECT_EQ(converted.report.weights_subnormal, 1U);
  EXPECT_EQ(converted.report.weights_flushed_to_zero, 2U);
  ASSERT_EQ(converted.report.warnings.size(), 1U);
  EXPECT_EQ(converted.report.warnings[0].code, "precision-small-weights");
}

TEST(Weights, NanIsAnErrorNamingTheTensor) {
  std::vector<NamedTensor> tensors = tools::make_tensors(NetworkShape{});
  find(tensors, "norm.bias").values[4] = std::nan("");
  for (const Precision precision : {Precision::fp32, Precision::fp16}) {
    ConvertOptions options;
    options.precision = precision;
    const auto caught = test::catch_error([&] { convert_tensors(tensors, options); });
    EXPECT_EQ(caught.code, "weight-not-finite");
    EXPECT_NE(caught.message.find("norm.bias has 1 element that is NaN or infinite, the first at "
                                  "[4]"),
              std::string::npos)
        << caught.message;
  }
}

TEST(Weights, HalvesAreThoseOfThePublishedRounding) {
  // Round to nearest even, on every weight of a random network.
  std::vector<NamedTensor> tensors = tools::fuse([] {
    std::vector<NamedTensor> made = tools::make_tensors(NetworkShape{});
    tools::fill_random(made, 11);
    return made;
  }());
  ConvertOptions options;
  options.precision = Precision::fp16;
  const onnx::ModelProto model = test::parse_model(convert_tensors(tensors, options).bytes);
  std::size_t compared = 0;
  for (const auto& initializer : model.graph().initializer()) {
    const auto found = std::find_if(tensors.begin(), tensors.end(), [&](const NamedTensor& tensor) {
      return tensor.name == initializer.name();
    });
    if (found == tensors.end()) continue;
    ASSERT_EQ(initializer.raw_data().size(), 2 * found->values.size());
    for (std::size_t i = 0; i < found->values.size(); ++i) {
      const auto low = static_cast<unsigned char>(initializer.raw_data()[2 * i]);
      const auto high = static_cast<unsigned char>(initializer.raw_data()[2 * i + 1]);
      const auto value = static_cast<_Float16>(static_cast<float>(found->values[i]));
      std::uint16_t expected = 0;
      std::memcpy(&expected, &value, sizeof expected);  // the compiler's own conversion
      ASSERT_EQ(low | (high << 8), expected) << initializer.name() << ' ' << i;
      ++compared;
    }
  }
  EXPECT_GT(compared, 150000U);
}

}  // namespace
}  // namespace aether2onnx::file_test
