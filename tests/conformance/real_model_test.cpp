// The published, trained model: exact reference outputs, and pictures.

#include <gtest/gtest.h>

#include <cmath>

#include "model_runner.h"
#include "npy.h"
#include "onnxruntime.h"
#include "picture.h"
#include "support.h"

namespace aether2onnx::real_model_test {
namespace {

using verify::FloatTensor;

const std::filesystem::path kShared = AETHER2ONNX_SHARED;
const std::filesystem::path kModel = kShared / "checkpoints/aether_small_x2_fp16_fused.pth";

class RealModel : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kModel)) {
      GTEST_SKIP() << "the real model isn't on this machine (" << kModel
                   << "); everything else is tested without it";
    }
  }

  verify::Session convert_and_open(const ConvertOptions& options) {
    convert_file(kModel, folder_ / "model.onnx", options);
    return verify::OnnxRuntime::load({}).open(folder_ / "model.onnx");
  }

 private:
  test::TemporaryFolder folder_;
};

FloatTensor load_input(const std::string& name) {
  const test::Array array = test::load_npy(kShared / "reference" / (name + "_input.npy"));
  return {array.shape, std::vector<float>(array.values.begin(), array.values.end())};
}

double largest_difference(const FloatTensor& output, const std::string& name) {
  const test::Array expected = test::load_npy(kShared / "reference" / (name + "_output_fp64.npy"));
  EXPECT_EQ(output.shape, expected.shape);
  double largest = 0;
  for (std::size_t i = 0; i < expected.values.size(); ++i) {
    const double difference = std::abs(output.values.at(i) - expected.values[i]);
    EXPECT_TRUE(std::isfinite(difference));
    largest = std::max(largest, difference);
  }
  std::printf("%-22s largest difference %.2e\n", name.c_str(), largest);
  return largest;
}

TEST_F(RealModel, StaticFp32) {
  ConvertOptions options;
  options.expect.model_type = "aether_small";
  options.expect.scale = 2;
  options.shape = {Axis::fixed(1), Axis::fixed(48), Axis::fixed(64)};
  const std::string name = "image_crop_1x3x48x64";
  EXPECT_LE(largest_difference(convert_and_open(options).run(load_input(name)), name), 2e-5);
}

TEST_F(RealModel, DynamicAtEveryLowering) {
  for (const int opset : {11, 16, 17, 19, 20, 24}) {
    ConvertOptions options;
    options.shape = InputShape::dynamic_defaults();
    options.opset_version = opset;
    const verify::Session session = convert_and_open(options);
    for (const std::string name : {"image_crop_1x3x48x64", "noise_2x3x33x47"}) {
      EXPECT_LE(largest_difference(session.run(load_input(name)), name), 2e-5) << name << opset;
    }
  }
}

TEST_F(RealModel, HalfPrecision) {
  for (const int opset : {11, 17, 20}) {
    ConvertOptions options;
    options.shape = InputShape::dynamic_defaults();
    options.precision = Precision::fp16;
    options.opset_version = opset;
    const verify::Session session = convert_and_open(options);
    EXPECT_EQ(session.inputs().at(0).dtype, "float16");
    EXPECT_EQ(session.outputs().at(0).dtype, "float16");
    for (const std::string name : {"image_crop_1x3x48x64", "noise_2x3x33x47"}) {
      EXPECT_LE(largest_difference(session.run(load_input(name)), name), 1e-2) << name << opset;
    }
  }
}

// Peak signal-to-noise ratio in decibels of the picture clamped to [0, 1], not rounded.
double psnr(const FloatTensor& output, const FloatTensor& truth) {
  EXPECT_EQ(output.shape, truth.shape);
  double squares = 0;
  for (std::size_t i = 0; i < truth.values.size(); ++i) {
    const double shown = std::clamp(output.values.at(i), 0.0F, 1.0F);
    const double difference = shown - static_cast<double>(truth.values[i]);
    squares += difference * difference;
  }
  const double decibels = 10 * std::log10(static_cast<double>(truth.values.size()) / squares);
  std::printf("PSNR %.4f dB\n", decibels);
  return decibels;
}

TEST_F(RealModel, PicturesScoreAsWithPyTorch) {
  ConvertOptions options;
  options.shape = InputShape::dynamic_defaults();
  for (const Precision precision : {Precision::fp32, Precision::fp16}) {
    options.precision = precision;
    const verify::Session session = convert_and_open(options);
    // PyTorch's scores of the same model, printed as 29.10 and 30.36.
    for (const auto& [name, expected] : {std::pair{"7.png", 29.1028}, {"8.png", 30.3561}}) {
      const FloatTensor output = session.run(verify::load_picture(kShared / "images/lr_x2" / name));
      EXPECT_NEAR(psnr(output, verify::load_picture(kShared / "images/hr" / name)), expected,
                  precision == Precision::fp16 ? 0.005 : 0.0005)
          << name << ' ' << to_string(precision);
    }
  }
}

// With every 16-bit result rounded, as a GPU does it.
TEST_F(RealModel, MixedModesScoreAsFloat32) {
  // PyTorch's scores, as above.
  struct Case {
    Precision precision;
    const char* picture;
    double score;
  };
  for (const auto& [precision, name, expected] : {Case{Precision::mixed_fp16, "7.png", 29.1028},
                                                  Case{Precision::mixed_bf16, "8.png", 30.3561}}) {
    ConvertOptions options;
    options.shape = InputShape::dynamic_defaults();
    options.precision = precision;
    const test::TemporaryFolder folder;
    convert_file(kModel, folder / "model.onnx", options);
    const auto bytes = test::read_file(folder / "model.onnx");
    const FloatTensor picture = verify::load_picture(kShared / "images/lr_x2" / name);
    const FloatTensor output = test::run_emulated(bytes, picture, {"output"}).at(0);
    EXPECT_NEAR(psnr(output, verify::load_picture(kShared / "images/hr" / name)), expected, 0.01)
        << name << ' ' << to_string(precision);
  }
}

TEST_F(RealModel, IsRecognised) {
  const std::unique_ptr<Input> input = open_file(kModel);
  test::MemoryOutput output;
  const ConvertReport report = convert(*input, {&output, nullptr, {}}, {});
  EXPECT_EQ(report.network.model_type, "aether_small");
  EXPECT_EQ(report.network.scale, 2);
  EXPECT_TRUE(report.network.fused);
  EXPECT_EQ(report.source.tensors, 172U);
  EXPECT_EQ(report.source.parameters, 1373603U);
  EXPECT_EQ(report.source.dtype, "float16");
  EXPECT_LE(report.graph.nodes, 240U);
}

}  // namespace
}  // namespace aether2onnx::real_model_test
