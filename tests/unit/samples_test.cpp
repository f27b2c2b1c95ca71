// The sample networks that tests convert: their tensors are those of the published networks.

#include <gtest/gtest.h>

#include <algorithm>

#include "generation_files.h"
#include "quantized_networks.h"
#include "sample_networks.h"

namespace aether2onnx::network::samples_test {
namespace {

using tools::NamedTensor;
using tools::StageShape;

std::vector<NamedTensor> fused_tensors(const StageShape& shape) {
  std::vector<NamedTensor> tensors = tools::make_tensors(shape);
  tools::fill_random(tensors, 11);
  return tools::fuse(tensors, shape);
}

// Tensors and parameters as they are published.
TEST(StagePresets, HaveThePublishedSizes) {
  struct Sizes {
    const char* model_type;
    std::size_t tensors, fused_tensors, parameters, fused_parameters;
  };
  for (const Sizes& sizes : {Sizes{"aether_mobile", 147, 113, 414859, 409739},
                             Sizes{"aether_tiny", 178, 140, 525068, 510092},
                             Sizes{"aether_small", 299, 233, 1533139, 1493203},
                             Sizes{"aether_medium", 435, 337, 3414299, 3334427},
                             Sizes{"aether_large", 749, 587, 9433443, 9246243},
                             Sizes{"aether_pro", 749, 587, 12176379, 11976699},
                             Sizes{"aether_extreme", 1109, 867, 35564855, 35165495}}) {
    for (const bool fused : {false, true}) {
      StageShape shape = tools::stage_preset(sizes.model_type, 2);
      shape.fused = fused;
      const std::vector<NamedTensor> tensors = tools::make_tensors(shape);
      std::size_t parameters = 0;
      for (const NamedTensor& tensor : tensors) {
        const bool buffer = tensor.integer || tensor.name == "mean" ||
                            tensor.name.find(".running_") != std::string::npos;
        if (!buffer) parameters += tensor.values.size();
      }
      EXPECT_EQ(tensors.size(), fused ? sizes.fused_tensors : sizes.tensors) << sizes.model_type;
      EXPECT_EQ(parameters, fused ? sizes.fused_parameters : sizes.parameters) << sizes.model_type;
    }
  }
}

TEST(StageSamples, FusedTensorsAreThoseOfTheFusedShape) {
  for (const std::string& generation : tools::stage_generations()) {
    StageShape shape = attentive(generation, false);
    shape.spatial_attention = true;
    const std::vector<NamedTensor> fused = fused_tensors(shape);
    shape.fused = true;
    const std::vector<NamedTensor> expected = tools::make_tensors(shape);
    ASSERT_EQ(fused.size(), expected.size()) << generation;
    for (std::size_t i = 0; i < fused.size(); ++i) {
      EXPECT_EQ(fused[i].name, expected[i].name) << generation;
      EXPECT_EQ(fused[i].shape, expected[i].shape) << generation;
    }
  }
}

// As many entries as PyTorch's conversion of aether_small x2 has, and numbers that are near.
TEST(QuantizedSamples, OfTheFirstGeneration) {
  std::vector<NamedTensor> fused = tools::make_tensors(tools::aether_small(2, true));
  tools::fill_random(fused, 3);
  const std::vector<NamedTensor> converted = tools::convert_to_int8(fused, true);
  EXPECT_EQ(converted.size(), 348U);
  EXPECT_EQ(
      std::count_if(converted.begin(), converted.end(),
                    [](const NamedTensor& tensor) { return tensor.quantization.has_value(); }),
      69);
  const NamedTensor& first = converted.front();
  ASSERT_TRUE(first.quantization);
  EXPECT_EQ(first.quantization->scales.size(), 96U);
  for (std::size_t n = 0; n < first.values.size(); ++n) {
    const double scale = first.quantization->scales.at(n / 27);
    EXPECT_NEAR(first.values[n] * scale, fused.front().values[n], 0.51 * scale);
  }
}

TEST(QuantizedSamples, OfG7LeaveTheUpsampler) {
  StageShape shape = attentive("G7d", false);
  shape.spatial_attention = true;
  const std::vector<NamedTensor> fused = fused_tensors(shape);
  std::size_t none = 0;
  for (const NamedTensor& tensor : tools::convert_to_int8(fused, false)) {
    const bool of_upsampler = tensor.name.starts_with("upsample.");
    EXPECT_FALSE(of_upsampler && tensor.quantization) << tensor.name;
    if (tensor.kind == tools::EntryKind::none) ++none;
  }
  EXPECT_EQ(none, 9U);  // three attention convolutions of three blocks
  const std::vector<NamedTensor> trained = tools::add_observers(fused, true);
  ASSERT_GT(trained.size(), fused.size());
  for (std::size_t i = fused.size(); i < trained.size(); ++i) {
    const std::string& name = trained[i].name;
    EXPECT_TRUE(name.find(".weight_fake_quant.") != std::string::npos ||
                name.find(".activation_post_process.") != std::string::npos)
        << name;
  }
}

}  // namespace
}  // namespace aether2onnx::network::samples_test
