// Every form of the graph computes what the standard form computes, for every generation: judged by
// an evaluation in float64, by ONNX Runtime and by the official checker.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <ostream>
#include <set>

#include "float64.h"
#include "model_runner.h"
#include "onnx_checker.h"
#include "sample_networks.h"
#include "stage_networks.h"
#include "support.h"

namespace aether2onnx::forms_test {
namespace {

using test::convert_tensors;
using test::Converted;
using verify::FloatTensor;

struct Form {
  const char* name;
  std::function<void(ConvertOptions&)> change;
};

const std::vector<Form>& forms() {
  static const std::vector<Form> all = {
      {"projections", [](auto& options) { options.projections = Projections::matmul; }},
      {"parts", [](auto& options) { options.split_kernels_over = 7; }},
      {"erf",
       [](auto& options) {
         options.opset_version = std::max(options.opset(), kMinOpsetOfGelu);
         options.gelu = GeluForm::erf;
       }},
      {"fp32_operators",
       [](auto& options) {
         options.fp32_operators = {"LeakyRelu", "DepthToSpace", "GlobalAveragePool", "ReduceMax",
                                   "ReduceMean"};
       }},
      {"all_at_once",
       [](auto& options) {
         options.projections = Projections::matmul;
         options.split_kernels_over = 7;
         options.opset_version = std::max(options.opset(), kMinOpsetOfGelu);
         options.gelu = GeluForm::erf;
         options.fp32_operators = {"LeakyRelu", "DepthToSpace"};
       }},
      {"parts_channels_first",
       [](auto& options) {
         options.graph_form = GraphForm::channels_first;
         options.split_kernels_over = 7;
       }},
  };
  return all;
}

struct Network {
  std::string name;
  std::vector<tools::NamedTensor> tensors;
  ReadOptions read;
};

// For the names of failed tests.
std::ostream& operator<<(std::ostream& stream, const Network& network) {
  return stream << network.name;
}

const std::vector<Network>& networks() {
  static const std::vector<Network> all = [] {
    std::vector<Network> result;
    for (const std::int64_t kernel : {11, 13}) {
      tools::NetworkShape shape;
      shape.large_kernel = kernel;
      result.push_back({"G1_" + std::to_string(kernel), tools::make_tensors(shape), {}});
    }
    for (const std::string& generation : tools::stage_generations()) {
      if (generation == "G2") continue;
      tools::StageShape shape;
      shape.generation = generation;
      shape.channel_attention = shape.spatial_attention = true;
      shape.layer_norm = generation == "G6.0";
      shape.large_kernel = generation == "G7d" ? 11 : 9;
      ReadOptions read;
      read.generation = generation;
      result.push_back({generation, tools::make_tensors(shape), read});
    }
    for (Network& network : result) tools::fill_random(network.tensors, 13);
    return result;
  }();
  return all;
}

FloatTensor picture() {
  FloatTensor image{{1, 3, 17, 14}, {}};
  for (int i = 0; i < 3 * 17 * 14; ++i) {
    image.values.push_back(static_cast<float>(0.5 + 0.5 * std::sin(0.7 * i)));
  }
  return image;
}

// An odd, small picture: float64 takes its time.
verify::DoubleTensor small_picture() {
  verify::DoubleTensor image{{1, 3, 5, 4}, {}};
  for (int i = 0; i < 3 * 5 * 4; ++i) image.values.push_back(0.5 + 0.5 * std::sin(0.9 * i));
  return image;
}

double largest_of(const std::vector<double>& values) {
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

class EveryForm : public testing::TestWithParam<Network> {};

TEST_P(EveryForm, IsEqualToTheStandardForm) {
  const FloatTensor image = picture();
  ConvertOptions standard;
  standard.read = GetParam().read;
  standard.shape = {Axis::range(1, 1, 2), Axis::range(1, 17, 32), Axis::range(1, 14, 32)};
  const FloatTensor expected =
      test::run_model(convert_tensors(GetParam().tensors, standard).bytes, image);
  double largest = 0;
  for (const float value : expected.values) {
    largest = std::max(largest, std::abs(static_cast<double>(value)));
  }
  for (const Precision precision : test::kPrecisions) {
    for (const Form& form : forms()) {
      SCOPED_TRACE(std::string(to_string(precision)) + " " + form.name);
      ConvertOptions options = standard;
      options.precision = precision;
      form.change(options);
      const Converted converted = convert_tensors(GetParam().tensors, options);
      const onnx::ModelProto model = test::parse_model(converted.bytes);
      EXPECT_EQ(test::check_types(model), "");
      if (options.opset() <= test::checker_max_opset()) {
        EXPECT_EQ(test::check_with_libonnx(model), "");
      }
      const FloatTensor output = test::run_model(converted.bytes, image);
      ASSERT_EQ(output.shape, expected.shape);
      double difference = 0;
      for (std::size_t i = 0; i < expected.values.size(); ++i) {
        const double each = std::abs(static_cast<double>(output.values[i] - expected.values[i]));
        difference = std::isfinite(each) ? std::max(difference, each) : INFINITY;
      }
      EXPECT_LE(difference, test::tolerance_of(precision) * largest);

      const Inspection inspection = inspect(MemoryInput(converted.bytes), {});
      ASSERT_TRUE(inspection.network.has_value()) << inspection.not_recognised.text;
      EXPECT_EQ(inspection.network->generation, converted.report.network.generation);
      EXPECT_EQ(inspection.network->depths, converted.report.network.depths);
      EXPECT_EQ(inspection.network->large_kernel, converted.report.network.large_kernel);
      EXPECT_TRUE(inspection.warnings.empty());
    }
  }
}

// The same weights, the same function: only the order of the sums differs. Opsets and graph forms
// count as forms here.
TEST_P(EveryForm, IsTheSameFunctionInFloat64) {
  std::vector<Form> all = forms();
  all.push_back(
      {"channels_first", [](auto& options) { options.graph_form = GraphForm::channels_first; }});
  for (const int opset : {13, 18, 20}) {  // bfloat16 needs a newer one
    all.push_back({"opset", [opset](auto& options) {
                     const bool usual = options.opset() >= kMinOpsetOfBfloat16;
                     options.opset_version = usual ? options.opset() : opset;
                   }});
  }
  const verify::DoubleTensor image = small_picture();
  for (const Precision precision : {Precision::fp32, Precision::mixed_fp16,
                                    Precision::bf16}) {  // the others differ by rounding
    ConvertOptions standard;
    standard.read = GetParam().read;
    standard.precision = precision;
    const auto output_of = [&](const ConvertOptions& options) {
      const Converted converted = convert_tensors(GetParam().tensors, options);
      return test::evaluate_in_float64(test::parse_model(converted.bytes), image);
    };
    const verify::DoubleTensor expected = output_of(standard);
    const double largest = largest_of(expected.values);
    ASSERT_GT(largest, 0);
    for (const Form& form : all) {
      SCOPED_TRACE(std::string(to_string(precision)) + " " + form.name);
      ConvertOptions options = standard;
      form.change(options);
      const verify::DoubleTensor output = output_of(options);
      ASSERT_EQ(output.shape, expected.shape);
      double difference = 0;
      for (std::size_t i = 0; i < expected.values.size(); ++i) {
        difference = std::max(difference, std::abs(output.values[i] - expected.values[i]));
      }
      EXPECT_LE(difference, 1e-10 * largest);
    }
  }
}

// The evaluation against ONNX Runtime, so that it can be trusted.
TEST_P(EveryForm, TheEvaluationInFloat64IsRight) {
  ConvertOptions options;
  options.read = GetParam().read;
  options.shape = {Axis::fixed(1), Axis::fixed(5), Axis::fixed(4)};
  const Converted converted = convert_tensors(GetParam().tensors, options);
  const verify::DoubleTensor image = small_picture();
  FloatTensor given{image.shape, {image.values.begin(), image.values.end()}};
  const FloatTensor expected = test::run_model(converted.bytes, given);
  const verify::DoubleTensor output =
      test::evaluate_in_float64(test::parse_model(converted.bytes), image);
  ASSERT_EQ(output.shape, expected.shape);
  for (std::size_t i = 0; i < output.values.size(); ++i) {
    ASSERT_NEAR(output.values[i], static_cast<double>(expected.values[i]),
                test::tolerance_of(Precision::fp32) * largest_of(output.values));
  }
}

// QuantizeLinear and DequantizeLinear before every input of a convolution, as tools for
// quantization write them.
void quantize(onnx::ModelProto& model) {
  auto& graph = *model.mutable_graph();
  const auto add = [&](const char* name, int type, const std::string& raw) {
    auto& tensor = *graph.add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(type);
    tensor.set_raw_data(raw);
  };
  const float scale = 0.01F;
  add("scale", onnx::TensorProto::FLOAT, {reinterpret_cast<const char*>(&scale), sizeof scale});
  add("zero", onnx::TensorProto::INT8, std::string(1, '\0'));
  const google::protobuf::RepeatedPtrField<onnx::NodeProto> nodes = graph.node();
  graph.clear_node();
  std::set<std::string> done;
  for (onnx::NodeProto node : nodes) {
    if (node.op_type() == "Conv") {
      for (int i = 0; i < 2; ++i) {
        const std::string name = node.input(i);
        node.set_input(i, name + "_dq");
        if (!done.insert(name).second) continue;
        auto& quantizer = *graph.add_node();
        quantizer.set_op_type("QuantizeLinear");
        for (const std::string& input : {name, std::string("scale"), std::string("zero")}) {
          quantizer.add_input(input);
        }
        quantizer.add_output(name + "_q");
        auto& back = *graph.add_node();
        back.set_op_type("DequantizeLinear");
        for (const std::string& input : {name + "_q", std::string("scale"), std::string("zero")}) {
          back.add_input(input);
        }
        back.add_output(name + "_dq");
      }
    }
    *graph.add_node() = node;
  }
}

TEST_P(EveryForm, AQuantizedVersionIsRecognised) {
  ConvertOptions options;
  options.read = GetParam().read;
  const Converted converted = convert_tensors(GetParam().tensors, options);
  onnx::ModelProto model = test::parse_model(converted.bytes);
  quantize(model);
  EXPECT_EQ(test::check_with_libonnx(model), "");
  const std::string text = model.SerializeAsString();
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  const std::vector<std::byte> bytes(begin, begin + text.size());
  const Inspection inspection = inspect(MemoryInput(bytes), {});
  ASSERT_TRUE(inspection.network.has_value()) << inspection.not_recognised.text;
  EXPECT_EQ(inspection.network->generation, converted.report.network.generation);
  for (const Finding& finding : check(MemoryInput(bytes), {}).findings) {
    EXPECT_NE(finding.code, "not-aethernet");
    EXPECT_NE(finding.severity, Severity::error) << finding.what;
  }
}

INSTANTIATE_TEST_SUITE_P(All, EveryForm, testing::ValuesIn(networks()), [](const auto& given) {
  std::string name = given.param.name;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
});

}  // namespace
}  // namespace aether2onnx::forms_test
