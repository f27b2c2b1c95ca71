// Every combination of what can be asked for, judged by others: the official ONNX checker, ONNX
// Runtime's own schemas, and reference outputs computed from the published network.

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

namespace aether2onnx::conformance_test {
namespace {

using test::convert_tensors;
using test::Converted;
using test::epsilon_sensitive;
using test::expect_golden;
using test::golden_input;
using test::goldens;
using test::kPrecisions;
using test::opsets_of;
using test::tolerance_of;
using tools::NamedTensor;
using tools::NetworkShape;
using verify::FloatTensor;

verify::Session open_session(const std::vector<std::byte>& bytes) {
  const test::TemporaryFolder folder;
  test::write_file(folder / "model.onnx", bytes);
  return verify::OnnxRuntime::load({}).open(folder / "model.onnx");
}

// --- the product of all options ---------------------------------------------------------------

struct Combination {
  std::int64_t scale;
  bool fused;
  bool dynamic;
  Precision precision;
  GraphForm form = GraphForm::standard;
};

std::vector<Combination> combinations() {
  std::vector<Combination> all;
  for (const std::int64_t scale : {1, 2, 3, 4, 8}) {
    for (const bool fused : {true, false}) {
      for (const bool dynamic : {true, false}) {
        for (const Precision precision : {Precision::fp32, Precision::fp16}) {
          all.push_back({scale, fused, dynamic, precision});
        }
      }
    }
    // What differs only in types and form, of a fused network.
    for (const bool dynamic : {true, false}) {
      for (const Precision precision : kPrecisions) {
        all.push_back({scale, true, dynamic, precision, GraphForm::channels_first});
        if (precision == Precision::fp32 || precision == Precision::fp16) continue;
        all.push_back({scale, true, dynamic, precision, GraphForm::standard});
      }
    }
  }
  return all;
}

std::string name_of(const Combination& c) {
  return "x" + std::to_string(c.scale) + (c.fused ? "_fused" : "_unfused") +
         (c.dynamic ? "_dynamic_" : "_static_") + std::string(to_string(c.precision)) +
         (c.form == GraphForm::standard ? "" : "_" + std::string(to_string(c.form)));
}

class EveryOpset : public testing::TestWithParam<Combination> {};

void check_contract(const onnx::ModelProto& model, const ConvertOptions& options,
                    const ConvertReport& report) {
  EXPECT_EQ(model.producer_name(), "aether2onnx");
  EXPECT_EQ(model.domain(), "aether2onnx");
  EXPECT_EQ(model.model_version(), 1);
  EXPECT_TRUE(model.doc_string().starts_with("AetherNet G1, ")) << model.doc_string();
  ASSERT_EQ(model.opset_import_size(), 1);
  EXPECT_EQ(model.opset_import(0).version(), options.opset());
  ASSERT_EQ(model.graph().input_size(), 1);
  ASSERT_EQ(model.graph().output_size(), 1);
  EXPECT_EQ(model.graph().input(0).name(), "input");
  EXPECT_EQ(model.graph().output(0).name(), "output");
  const bool wide = options.precision == Precision::fp32 || options.input_output() == IoType::fp32;
  const int type = wide ? onnx::TensorProto::FLOAT : onnx::TensorProto::FLOAT16;
  EXPECT_EQ(model.graph().input(0).type().tensor_type().elem_type(), type);
  EXPECT_EQ(model.graph().output(0).type().tensor_type().elem_type(), type);
  const auto axis = [](const onnx::ValueInfoProto& value, int index) {
    const auto& dim = value.type().tensor_type().shape().dim(index);
    return dim.has_dim_param() ? dim.dim_param() : std::to_string(dim.dim_value());
  };
  const bool dynamic = options.shape.is_dynamic();
  const std::string height = std::to_string(7 * report.network.scale);
  const std::string width = std::to_string(6 * report.network.scale);
  const std::vector<std::string> input = {dynamic ? "batch_size" : "1", "3",
                                          dynamic ? "height" : "7", dynamic ? "width" : "6"};
  const std::vector<std::string> output = {dynamic ? "batch_size" : "1", "3",
                                           dynamic ? "output_height" : height,
                                           dynamic ? "output_width" : width};
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(axis(model.graph().input(0), i), input.at(static_cast<std::size_t>(i)));
    EXPECT_EQ(axis(model.graph().output(0), i), output.at(static_cast<std::size_t>(i)));
  }

  // value_info for every intermediate, no Constant nodes.
  std::set<std::string> described;
  for (const auto& value : model.graph().value_info()) described.insert(value.name());
  for (const auto& node : model.graph().node()) {
    EXPECT_NE(node.op_type(), "Constant");
    EXPECT_FALSE(node.name().empty());
    for (const auto& name : node.output()) {
      EXPECT_TRUE(name == "output" || described.contains(name)) << name;
    }
  }
}

TEST_P(EveryOpset, IsAcceptedAndComputesTheReference) {
  const Combination& combination = GetParam();
  const auto found = goldens().find(combination.scale);
  NetworkShape network = found == goldens().end() ? NetworkShape{} : found->second.network;
  network.scale = combination.scale;
  std::vector<NamedTensor> tensors = tools::make_tensors(network);
  tools::fill_sines(tensors);
  if (combination.fused) tensors = tools::fuse(tensors);

  std::vector<float> first_output;
  for (const int opset : opsets_of(combination.precision)) {
    SCOPED_TRACE("opset " + std::to_string(opset));
    ConvertOptions options;
    options.opset_version = opset;
    options.precision = combination.precision;
    options.graph_form = combination.form;
    options.shape =
        combination.dynamic
            ? InputShape{Axis::range(1, 1, 2), Axis::range(1, 7, 16), Axis::range(1, 6, 16)}
            : InputShape{Axis::fixed(1), Axis::fixed(7), Axis::fixed(6)};
    const Converted converted = convert_tensors(tensors, options);
    const onnx::ModelProto model = test::parse_model(converted.bytes);
    check_contract(model, options, converted.report);
    EXPECT_EQ(test::check_types(model), "");
    if (opset <= test::checker_max_opset()) {
      EXPECT_EQ(test::check_with_libonnx(model), "");
    }

    const FloatTensor output = test::run_model(converted.bytes, golden_input());
    const double tolerance = tolerance_of(combination.precision);
    if (found != goldens().end()) expect_golden(output, found->second, tolerance);

    // All opsets compute the same.
    if (first_output.empty()) first_output = output.values;
    double largest = 0;
    double difference = 0;
    for (std::size_t i = 0; i < first_output.size(); ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(first_output[i])));
      difference =
          std::max(difference, std::abs(static_cast<double>(first_output[i] - output.values[i])));
    }
    EXPECT_LE(difference, tolerance * largest);
  }
}

INSTANTIATE_TEST_SUITE_P(Product, EveryOpset, testing::ValuesIn(combinations()),
                         [](const auto& given) { return name_of(given.param); });

TEST(Golden, EpsilonSensitive) {
  std::vector<NamedTensor> tensors = tools::make_tensors(epsilon_sensitive().network);
  tools::fill_sines(tensors);
  tools::make_epsilon_sensitive(tensors);
  for (const bool fused : {false, true}) {
    for (const int opset : {11, 17, 20, 24}) {
      ConvertOptions options;
      options.opset_version = opset;
      options.shape = {Axis::fixed(1), Axis::fixed(7), Axis::fixed(6)};
      const Converted converted = convert_tensors(fused ? tools::fuse(tensors) : tensors, options);
      // A wrong epsilon moves the output by 1.1e-2 (blocks) or 2.5e-4 (body).
      expect_golden(open_session(converted.bytes).run(golden_input()), epsilon_sensitive(), 5e-6);
    }
  }
}

TEST(Golden, EveryStorageTypeOfTheCheckpoint) {
  std::vector<NamedTensor> tensors = tools::make_tensors(goldens().at(2).network);
  tools::fill_sines(tensors);
  const std::map<tools::StorageType, double> tolerances = {{tools::StorageType::float64, 5e-6},
                                                           {tools::StorageType::float32, 5e-6},
                                                           {tools::StorageType::float16, 3e-3},
                                                           {tools::StorageType::bfloat16, 5e-2}};
  for (const auto& [type, tolerance] : tolerances) {
    tools::CheckpointLayout layout;
    layout.type = type;
    ConvertOptions options;
    options.shape = {Axis::fixed(1), Axis::fixed(7), Axis::fixed(6)};
    expect_golden(open_session(convert_tensors(tensors, options, layout).bytes).run(golden_input()),
                  goldens().at(2), tolerance);
  }
}

// --- named variants ---------------------------------------------------------------------------

struct VariantCase {
  const char* name;
  NetworkShape (*make)(std::int64_t, bool);
  std::int64_t scale;
  bool fused;
  bool dynamic;
  Precision precision;
  int opset;
};

class Variants : public testing::TestWithParam<VariantCase> {};

TEST_P(Variants, AreAccepted) {
  const VariantCase& c = GetParam();
  std::vector<NamedTensor> tensors = tools::make_tensors(c.make(c.scale, c.fused));
  tools::fill_random(tensors, 7);
  ConvertOptions options;
  options.opset_version = c.opset;
  options.precision = c.precision;
  options.expect.model_type = c.name;
  options.expect.scale = c.scale;
  if (c.dynamic) options.shape = InputShape::dynamic_defaults();
  const Converted converted = convert_tensors(tensors, options);
  const onnx::ModelProto model = test::parse_model(converted.bytes);
  if (c.opset <= test::checker_max_opset()) {
    EXPECT_EQ(test::check_with_libonnx(model), "");
  }
  const verify::Session session = open_session(converted.bytes);
  const std::int64_t size = c.dynamic ? 19 : 64;
  FloatTensor input{{1, 3, size, size},
                    std::vector<float>(static_cast<std::size_t>(3 * size * size), 0.25F)};
  const FloatTensor output = session.run(input);
  EXPECT_EQ(output.shape, (std::vector<std::int64_t>{1, 3, size * c.scale, size * c.scale}));
  for (const float value : output.values) ASSERT_TRUE(std::isfinite(value));
}

// Every value of every option stands in at least one row of each variant's rows together.
INSTANTIATE_TEST_SUITE_P(
    Subset, Variants,
    testing::Values(
        VariantCase{"aether_small", tools::aether_small, 1, true, true, Precision::fp32, 11},
        VariantCase{"aether_small", tools::aether_small, 2, false, false, Precision::fp16, 13},
        VariantCase{"aether_small", tools::aether_small, 3, true, false, Precision::fp32, 17},
        VariantCase{"aether_small", tools::aether_small, 4, false, true, Precision::fp16, 17},
        VariantCase{"aether_small", tools::aether_small, 8, true, true, Precision::fp16, 20},
        VariantCase{"aether_small", tools::aether_small, 2, false, true, Precision::fp32, 24},
        VariantCase{"aether_medium", tools::aether_medium, 2, true, true, Precision::fp32, 17},
        VariantCase{"aether_medium", tools::aether_medium, 3, false, true, Precision::fp16, 12},
        VariantCase{"aether_medium", tools::aether_medium, 4, false, false, Precision::fp32, 21},
        VariantCase{"aether_medium", tools::aether_medium, 1, true, false, Precision::fp16, 23},
        VariantCase{"aether_large", tools::aether_large, 4, true, true, Precision::fp16, 17},
        VariantCase{"aether_large", tools::aether_large, 2, false, true, Precision::fp32, 22}),
    [](const auto& given) {
      const VariantCase& c = given.param;
      return std::string(c.name) + "_" + name_of({c.scale, c.fused, c.dynamic, c.precision}) +
             "_op" + std::to_string(c.opset);
    });

// --- every variant in every mode and form -----------------------------------------------------

struct NamedVariant {
  const char* name;
  NetworkShape (*make)(std::int64_t, bool);
};

class EveryMode : public testing::TestWithParam<NamedVariant> {};

TEST_P(EveryMode, IsWithinItsErrorOfFp32) {
  std::vector<NamedTensor> tensors = tools::make_tensors(GetParam().make(2, true));
  tools::fill_random(tensors, 11);
  ConvertOptions options;
  options.shape = {Axis::fixed(1), Axis::fixed(20), Axis::fixed(16)};
  FloatTensor input{{1, 3, 20, 16}, {}};
  for (int i = 0; i < 3 * 20 * 16; ++i) {
    input.values.push_back(static_cast<float>(0.5 + 0.5 * std::sin(0.7 * i)));
  }
  const FloatTensor expected = test::run_model(convert_tensors(tensors, options).bytes, input);
  double largest = 0;
  for (const float value : expected.values) {
    largest = std::max(largest, std::abs(static_cast<double>(value)));
  }
  for (const Precision precision : kPrecisions) {
    for (const GraphForm form : {GraphForm::standard, GraphForm::channels_first}) {
      SCOPED_TRACE(std::string(to_string(precision)) + " " + std::string(to_string(form)));
      options.precision = precision;
      options.graph_form = form;
      const Converted converted = convert_tensors(tensors, options);
      const onnx::ModelProto model = test::parse_model(converted.bytes);
      EXPECT_EQ(test::check_types(model), "");
      if (options.opset() <= test::checker_max_opset()) {
        EXPECT_EQ(test::check_with_libonnx(model), "");
      }
      const FloatTensor output = test::run_model(converted.bytes, input);
      ASSERT_EQ(output.shape, expected.shape);
      double difference = 0;
      for (std::size_t i = 0; i < expected.values.size(); ++i) {
        difference = std::max(difference,
                              std::abs(static_cast<double>(output.values[i] - expected.values[i])));
      }
      std::printf("%s %s %s: %.1e of the largest value\n", GetParam().name,
                  to_string(precision).data(), to_string(form).data(), difference / largest);
      EXPECT_LE(difference, tolerance_of(precision) * largest);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Variant, EveryMode,
                         testing::Values(NamedVariant{"aether_small", tools::aether_small},
                                         NamedVariant{"aether_medium", tools::aether_medium},
                                         NamedVariant{"aether_large", tools::aether_large}),
                         [](const auto& given) { return std::string(given.param.name); });

// --- rounding as other devices do it ----------------------------------------------------------

// What the emulation gives of each value is a number of the value's type.
TEST(Emulation, RoundsWhatEveryOperatorMakes) {
  std::vector<NamedTensor> tensors = tools::make_tensors(goldens().at(2).network);
  tools::fill_sines(tensors);
  for (const Precision precision : {Precision::fp16, Precision::bf16, Precision::mixed_fp16}) {
    ConvertOptions options;
    options.precision = precision;
    options.shape = {Axis::fixed(1), Axis::fixed(7), Axis::fixed(6)};
    const Converted converted = convert_tensors(tensors, options);
    const onnx::ModelProto model = test::parse_model(converted.bytes);
    std::vector<std::string> names;
    std::map<std::string, int> types;
    for (const auto& value : model.graph().value_info()) {
      names.push_back(value.name());
      types[value.name()] = value.type().tensor_type().elem_type();
    }
    const auto outputs = test::run_emulated(converted.bytes, golden_input(), names);
    int rounded = 0;
    int not_rounded = 0;
    for (std::size_t i = 0; i < names.size(); ++i) {
      for (const float value : outputs[i].values) {
        const auto number = static_cast<double>(value);
        if (types[names[i]] == onnx::TensorProto::FLOAT16) {
          EXPECT_EQ(from_half_bits(to_half_bits(number)), value) << names[i];
          ++rounded;
        } else if (types[names[i]] == onnx::TensorProto::BFLOAT16) {
          EXPECT_EQ(from_bfloat16_bits(to_bfloat16_bits(number)), value) << names[i];
          ++rounded;
        } else if (from_half_bits(to_half_bits(number)) != value) {
          ++not_rounded;  // float32 stays what it is
        }
      }
    }
    EXPECT_GT(rounded, 1000);
    if (precision == Precision::mixed_fp16) {
      EXPECT_GT(not_rounded, 1000);
    }
  }
}

TEST(Emulation, OverflowsAsFloat16Does) {
  std::vector<NamedTensor> tensors = tools::make_tensors(goldens().at(2).network);
  tools::fill_sines(tensors);
  for (NamedTensor& tensor : tensors) {
    // The normalization behind it takes the factor out again.
    if (tensor.name.starts_with("layers.0.1.conv.")) {
      for (double& value : tensor.values) value *= 3e4;
    }
  }
  ConvertOptions options;
  options.shape = {Axis::fixed(1), Axis::fixed(7), Axis::fixed(6)};
  const FloatTensor right =
      test::run_model(convert_tensors(tensors, options).bytes, golden_input());
  options.precision = Precision::mixed_fp16;
  options.fp32_blocks = {"layers.0.1"};
  const FloatTensor mixed =
      test::run_model(convert_tensors(tensors, options).bytes, golden_input());
  for (std::size_t i = 0; i < right.values.size(); ++i) {
    ASSERT_NEAR(mixed.values[i], right.values[i], 2e-2);
  }
  options.fp32_blocks.clear();
  const FloatTensor wrong =
      test::run_emulated(convert_tensors(tensors, options).bytes, golden_input(), {"output"}).at(0);
  EXPECT_TRUE(std::any_of(wrong.values.begin(), wrong.values.end(),
                          [](float value) { return !std::isfinite(value); }));
}

}  // namespace
}  // namespace aether2onnx::conformance_test
