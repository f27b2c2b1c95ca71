// The later generations as ONNX files, judged by others: published reference outputs, the official
// checker, ONNX Runtime.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "golden.h"
#include "model_runner.h"
#include "onnx_checker.h"
#include "stage_networks.h"
#include "support.h"

namespace aether2onnx::generations_test {
namespace {

using test::convert_tensors;
using test::Converted;
using test::StageGolden;
using tools::NamedTensor;
using tools::StageShape;
using verify::FloatTensor;

std::string in_identifier(std::string name) {
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

double largest_of(const FloatTensor& tensor) {
  double largest = 0;
  for (const float value : tensor.values) {
    largest = std::max(largest, std::abs(static_cast<double>(value)));
  }
  return largest;
}

double difference_of(const FloatTensor& a, const FloatTensor& b) {
  EXPECT_EQ(a.shape, b.shape);
  double largest = 0;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    const double difference = std::abs(static_cast<double>(a.values[i] - b.values[i]));
    largest = std::isfinite(difference) ? std::max(largest, difference) : INFINITY;
  }
  return largest;
}

// --- published outputs ------------------------------------------------------------------------

class StageGoldens : public testing::TestWithParam<StageGolden> {};

TEST_P(StageGoldens, AreWhatTheModelsPutOut) {
  const StageGolden& golden = GetParam();
  for (const bool fused : {false, true}) {
    for (const int opset : {11, 17, 24}) {
      for (const GraphForm form : {GraphForm::standard, GraphForm::channels_first}) {
        SCOPED_TRACE(fused ? "fused" : "unfused");
        ConvertOptions options;
        options.opset_version = opset;
        options.graph_form = form;
        options.shape = {Axis::fixed(1), Axis::fixed(7), Axis::fixed(6)};
        options.read.generation = golden.network.generation;
        if (golden.network.generation.starts_with("G7")) options.read.res_scale = golden.res_scale;
        const Converted converted = convert_tensors(test::golden_tensors(golden, fused), options);
        test::expect_golden(test::run_model(converted.bytes, test::golden_input()), golden, 5e-5);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Published, StageGoldens, testing::ValuesIn(test::stage_goldens()),
                         [](const auto& given) { return in_identifier(given.param.name); });

// --- every generation -------------------------------------------------------------------------

class EveryGeneration : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(All, EveryGeneration, testing::ValuesIn([] {
                           std::vector<std::string> names = tools::stage_generations();
                           std::erase(names, "G2");
                           return names;
                         }()),
                         [](const auto& given) { return in_identifier(given.param); });

struct Sample {
  std::vector<NamedTensor> unfused;
  std::vector<NamedTensor> fused;
};

Sample sample(const StageShape& shape) {
  Sample result;
  result.unfused = tools::make_tensors(shape);
  tools::fill_random(result.unfused, 21);
  result.fused = tools::fuse(result.unfused, shape);
  return result;
}

// Of every precision, form and opset: accepted, of consistent types, and equal to fp32.
TEST_P(EveryGeneration, EveryModeFormAndOpset) {
  for (const bool layer_norm : {false, true}) {
    if (layer_norm && GetParam() <= "G5.0") continue;
    StageShape shape;
    shape.generation = GetParam();
    shape.channel_attention = shape.spatial_attention = true;
    shape.layer_norm = layer_norm;
    shape.scale = layer_norm ? 3 : 4;
    const Sample tensors = sample(shape);
    ConvertOptions options;
    options.read.generation = GetParam();
    options.shape = {Axis::range(1, 1, 2), Axis::range(1, 7, 16), Axis::range(1, 6, 16)};
    const FloatTensor expected =
        test::run_model(convert_tensors(tensors.unfused, options).bytes, test::golden_input());
    for (const Precision precision : test::kPrecisions) {
      for (const GraphForm form : {GraphForm::standard, GraphForm::channels_first}) {
        for (const int opset : test::opsets_of(precision)) {
          SCOPED_TRACE(std::string(to_string(precision)) + " " + std::string(to_string(form)) +
                       " opset " + std::to_string(opset));
          options.precision = precision;
          options.graph_form = form;
          options.opset_version = opset;
          const Converted converted = convert_tensors(tensors.unfused, options);
          const onnx::ModelProto model = test::parse_model(converted.bytes);
          EXPECT_EQ(test::check_types(model), "");
          if (opset <= test::checker_max_opset()) {
            EXPECT_EQ(test::check_with_libonnx(model), "");
          }
          if (form == GraphForm::channels_first) {
            for (const auto& node : model.graph().node()) {
              EXPECT_NE(node.op_type(), "Transpose");
              EXPECT_NE(node.op_type(), "Reshape");
            }
          }
          const FloatTensor output = test::run_model(converted.bytes, test::golden_input());
          EXPECT_LE(difference_of(output, expected),
                    test::tolerance_of(precision) * largest_of(expected));
        }
      }
    }
  }
}

TEST_P(EveryGeneration, FusedAndUnfusedFilesGiveEqualModels) {
  for (const std::int64_t scale : {1, 2, 3, 4, 8}) {
    if (scale == 1 && (GetParam() == "G3" || GetParam() == "G4")) continue;
    StageShape shape;
    shape.generation = GetParam();
    shape.scale = scale;
    shape.channel_attention = scale % 2 == 0;
    shape.spatial_attention = scale == 8;
    const Sample tensors = sample(shape);
    ConvertOptions options;
    options.read.generation = GetParam();
    options.shape = {Axis::fixed(1), Axis::fixed(7), Axis::fixed(6)};
    if (GetParam() == "G7a" || GetParam() == "G7b") options.read.norm_eps = 1e-5;
    const FloatTensor a =
        test::run_model(convert_tensors(tensors.unfused, options).bytes, test::golden_input());
    options.read.norm_eps.reset();
    const FloatTensor b =
        test::run_model(convert_tensors(tensors.fused, options).bytes, test::golden_input());
    EXPECT_LE(difference_of(a, b), 5e-6 * largest_of(a)) << "x" << scale;
  }
}

// What `fuse` writes converts to the same bytes, in both formats.
TEST_P(EveryGeneration, OwnFusedFilesConvertToTheSameBytes) {
  for (const CheckpointFormat format : {CheckpointFormat::pth, CheckpointFormat::safetensors}) {
    StageShape shape;
    shape.generation = GetParam();
    shape.channel_attention = shape.spatial_attention = true;
    const Sample tensors = sample(shape);
    ConvertOptions options;
    options.read.generation = GetParam();
    options.read.img_range = 2;
    if (GetParam() > "G5.0") options.read.res_scale = 0.3;
    options.source_name = "same";
    const Converted direct = convert_tensors(tensors.unfused, options);

    const auto checkpoint = tools::write_checkpoint(tensors.unfused);
    FuseOptions fuse_options;
    fuse_options.read = options.read;
    fuse_options.format = format;
    test::MemoryOutput fused;
    fuse(MemoryInput(checkpoint), fused, fuse_options);
    ConvertOptions plain;  // the file says itself what was decided
    plain.source_name = "same";
    test::MemoryOutput model;
    const ConvertReport report = convert(MemoryInput(fused.bytes()), {&model, nullptr, {}}, plain);
    EXPECT_EQ(report.network.generation, GetParam());
    // What the options decided stays an assumption.
    for (const Diagnostic& warning : report.warnings) {
      EXPECT_NE(warning.text.find("is an assumption"), std::string::npos) << warning.text;
    }
    EXPECT_FALSE(report.warnings.empty());
    EXPECT_TRUE(report.network.fused);
    onnx::ModelProto a = test::parse_model(direct.bytes);
    onnx::ModelProto b = test::parse_model(model.bytes());
    for (onnx::ModelProto* each : {&a, &b}) {
      for (auto& entry : *each->mutable_metadata_props()) {
        if (entry.key() == "source_sha256") entry.set_value("");
      }
    }
    EXPECT_EQ(a.SerializeAsString(), b.SerializeAsString());
  }
}

TEST(Presets, AreAccepted) {
  for (const char* name : {"aether_mobile", "aether_tiny", "aether_small", "aether_medium",
                           "aether_large", "aether_pro", "aether_extreme"}) {
    SCOPED_TRACE(name);
    auto tensors = tools::make_tensors(tools::stage_preset(name, 2));
    tools::fill_random(tensors, 31);
    ConvertOptions options;
    options.expect.model_type = name;
    options.shape = {Axis::fixed(1), Axis::fixed(7), Axis::fixed(6)};
    const Converted converted = convert_tensors(tensors, options);
    EXPECT_EQ(test::check_with_libonnx(test::parse_model(converted.bytes)), "");
    const FloatTensor output = test::run_model(converted.bytes, test::golden_input());
    for (const float value : output.values) ASSERT_TRUE(std::isfinite(value));
  }
}

// An ONNX file of each is recognised for what it is.
TEST_P(EveryGeneration, TheModelIsRecognised) {
  for (const bool layer_norm : {false, true}) {
    if (layer_norm && GetParam() <= "G5.0") continue;
    StageShape shape;
    shape.generation = GetParam();
    shape.channel_attention = true;
    shape.layer_norm = layer_norm;
    ConvertOptions options;
    options.read.generation = GetParam();
    options.read.img_range = 2;
    for (const int opset : {11, 20}) {
      options.opset_version = opset;
      const Converted converted = convert_tensors(sample(shape).unfused, options);
      const Inspection inspection = inspect(MemoryInput(converted.bytes), {});
      ASSERT_TRUE(inspection.network.has_value()) << inspection.not_recognised.text;
      const NetworkInfo& found = *inspection.network;
      const NetworkInfo& made = converted.report.network;
      EXPECT_EQ(found.generation, made.generation);
      EXPECT_EQ(found.depths, made.depths);
      EXPECT_EQ(found.scale, made.scale);
      EXPECT_EQ(found.embed_dim, made.embed_dim);
      EXPECT_EQ(found.hidden_dim, made.hidden_dim);
      EXPECT_EQ(found.large_kernel, made.large_kernel);
      EXPECT_EQ(found.has("channel_attention"), made.has("channel_attention"));
      EXPECT_EQ(found.has("spatial_attention"), made.has("spatial_attention"));
      EXPECT_EQ(found.norm_type, made.norm_type);
      EXPECT_EQ(found.number("img_range", 1), made.number("img_range", 1));
      EXPECT_TRUE(inspection.warnings.empty());
    }
  }
}

}  // namespace
}  // namespace aether2onnx::generations_test
