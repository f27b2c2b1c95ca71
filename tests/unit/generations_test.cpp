// The later generations: their tensors tell which one a file is of, and passes change no value of
// their networks.

#include <gtest/gtest.h>

#include <algorithm>

#include "generation_files.h"
#include "module_runner.h"
#include "network/network.h"
#include "network/passes/passes.h"
#include "sample_networks.h"
#include "stage_networks.h"
#include "support.h"

namespace aether2onnx::network::generations_test {
namespace {

using test::catch_error;
using test::Caught;
using test::Image;
using tools::CheckpointLayout;
using tools::NamedTensor;
using tools::StageShape;

// The generation that a file of `generation` counts as where nothing but its tensors tells.
std::string name_by_tensors(const std::string& generation, bool fused) {
  if (generation == "G5.1") return "G5.2";  // one network
  if (generation == "G6.0" && !fused) return "G7d";
  if (generation == "G7a" || generation == "G7b") return "G7c";
  return generation;
}

class Generations : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(All, Generations, testing::ValuesIn([] {
                           std::vector<std::string> names = tools::stage_generations();
                           std::erase(names, "G2");
                           return names;
                         }()),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

TEST_P(Generations, AreRecognisedByTheirTensors) {
  for (const bool fused : {false, true}) {
    for (const std::int64_t scale : {1, 2, 3, 4, 8}) {
      StageShape shape = shape_of(GetParam());
      if (scale == 1 && (shape.generation == "G3" || shape.generation == "G4")) continue;
      shape.fused = fused;
      shape.scale = scale;
      shape.channel_attention = scale != 3;
      shape.spatial_attention = scale == 4;
      const Network network = recognise_tensors(tools::make_tensors(shape));
      SCOPED_TRACE(fused ? "fused" : "unfused");
      EXPECT_EQ(network.facts.generation, name_by_tensors(GetParam(), fused));
      EXPECT_EQ(network.facts.scale, scale);
      EXPECT_EQ(network.facts.embed_dim, 16);
      EXPECT_EQ(network.facts.depths, (std::vector<std::int64_t>{2, 1}));
      EXPECT_EQ(network.facts.hidden_dim, 32);
      EXPECT_EQ(network.facts.fused, fused);
      EXPECT_EQ(network.facts.small_kernel, fused ? 0 : 3);
      EXPECT_EQ(network.facts.has("channel_attention"), shape.channel_attention);
      EXPECT_EQ(network.facts.has("spatial_attention"), shape.spatial_attention);
      EXPECT_EQ(network.facts.norm_type, NormType::deployment);
      EXPECT_TRUE(network.warnings.empty());
    }
  }
}

TEST_P(Generations, EachTensorIsNeededAndChecked) {
  StageShape shape = shape_of(GetParam());
  shape.channel_attention = shape.spatial_attention = true;
  const auto tensors = tools::make_tensors(shape);
  ReadOptions options;
  options.generation = GetParam();  // where a fingerprint lacks, the generation is asked for
  for (std::size_t i = 0; i < tensors.size(); i += test::kTensorStep) {
    const NamedTensor& tensor = tensors[i];
    if (tensor.integer) continue;  // counters and versions count for nothing
    SCOPED_TRACE(tensor.name);
    auto without = tensors;
    drop(without, tensor.name);
    auto caught = catch_error([&] { recognise_tensors(without, {}, options); });
    if (!caught.thrown) {  // what identified it is gone: another optional part
      ADD_FAILURE() << "is not missed";
    }
    auto wrong = tensors;
    NamedTensor& changed = tensor_named(wrong, tensor.name);
    changed.shape.insert(changed.shape.begin(), 2);
    changed.values.resize(2 * changed.values.size());
    caught = catch_error([&] { recognise_tensors(wrong, {}, options); });
    EXPECT_TRUE(caught.thrown);
  }
  auto more = tensors;
  more.push_back({"stages.0.0.extra", {1}, {0}});
  const Caught caught = catch_error([&] { recognise_tensors(more, {}, options); });
  EXPECT_EQ(caught.findings, std::vector<std::string>{"unexpected key: stages.0.0.extra (1)"});
}

// Unfused, fused, and with all folded that can be: the same numbers, in float64.
TEST_P(Generations, FusionAndFoldingChangeNothing) {
  for (const int variant : {0, 1, 2, 3}) {
    SCOPED_TRACE(variant);
    StageShape shape = shape_of(GetParam());
    shape.embed_dim = 8;
    shape.hidden_dim = 12;
    shape.channel_attention = variant != 0;
    shape.spatial_attention = variant > 1;
    shape.scale = variant == 2 ? 4 : 2;
    const bool may_have_layer_norm = GetParam() > "G5.0";
    shape.layer_norm = variant == 3 && may_have_layer_norm;
    auto tensors = tools::make_tensors(shape);
    tools::fill_random(tensors, 3);
    CheckpointLayout layout;
    layout.type = tools::StorageType::float64;
    const File file(tensors, layout);
    ReadOptions options;
    if (variant == 1) options.img_range = 2.5;
    if (variant == 2 && may_have_layer_norm) options.res_scale = 0.7;
    options.generation = GetParam();
    const Network network = recognise(file.state_dict, options);
    const Image image = test::make_image(3, 6, 5);
    const Image expected = test::run_modules(network, file.state_dict, image);
    const network::Fused fused = network::fuse(network);
    EXPECT_LT(test::largest_difference(test::run_modules(fused.network, file.state_dict, image),
                                       expected),
              1e-12);
    const network::Folded folded = network::fold(fused.network);
    EXPECT_LT(test::largest_difference(test::run_modules(folded.network, file.state_dict, image),
                                       expected),
              1e-12);

    // What is left: nothing but the subtraction of the mean, where nothing is in the way.
    std::size_t shifts = 0;
    std::size_t scales = 0;
    std::size_t affines = 0;
    for (const Module& module : folded.network.modules) {
      shifts += std::holds_alternative<ChannelShift>(module.operation) ? 1U : 0U;
      scales += std::holds_alternative<Scale>(module.operation) ? 1U : 0U;
      affines += std::holds_alternative<ChannelAffine>(module.operation) ? 1U : 0U;
      EXPECT_FALSE(std::holds_alternative<DeploymentNorm>(module.operation)) << module.path;
    }
    const bool seventh = GetParam().starts_with("G7");
    EXPECT_EQ(shifts, 1U);
    EXPECT_EQ(scales, seventh && variant == 1 ? 1U : 0U);       // x / img_range, before the mean
    EXPECT_EQ(affines, seventh || shape.layer_norm ? 0U : 1U);  // the body's
    EXPECT_EQ(folded.norms, shape.layer_norm ? 0U : (seventh ? 4U : 3U));
    EXPECT_EQ(folded.temperatures, GetParam() == "G7a" ? 0U : 3U);  // G7a has no use for them
  }
}

// The published fused state, made from the same numbers, is another file of the same network.
TEST_P(Generations, ThePublishedFusedStateIsTheSameNetwork) {
  StageShape shape = shape_of(GetParam());
  shape.embed_dim = 8;
  shape.channel_attention = true;
  auto tensors = tools::make_tensors(shape);
  tools::fill_random(tensors, 4);
  CheckpointLayout layout;
  layout.type = tools::StorageType::float64;
  const File unfused(tensors, layout);
  const File fused(tools::fuse(tensors, shape), layout);
  ReadOptions options;
  options.generation = GetParam();
  if (GetParam().starts_with("G7")) options.norm_eps = 1e-4;  // the tools' G7 is G7d
  if (GetParam() == "G7a" || GetParam() == "G7b") options.norm_eps = 1e-5;
  const Network a = recognise(unfused.state_dict, options);
  ReadOptions of_fused = options;
  if (GetParam() != "G5x") of_fused.norm_eps.reset();
  const Network b = recognise(fused.state_dict, of_fused);
  EXPECT_TRUE(b.facts.fused);
  const Image image = test::make_image(3, 5, 6);
  EXPECT_LT(test::largest_difference(test::run_modules(a, unfused.state_dict, image),
                                     test::run_modules(b, fused.state_dict, image)),
            1e-12);
}

TEST(Generation2, IsRefusedWithTheReason) {
  const Caught caught = catch_error([] { recognise_tensors(tools::make_tensors(shape_of("G2"))); });
  EXPECT_EQ(caught.kind, ErrorKind::unsupported);
  EXPECT_EQ(caught.code, "network-cannot-run");
}

TEST(Generation, PresetsAreNamed) {
  for (const char* name : {"aether_mobile", "aether_tiny", "aether_small", "aether_medium",
                           "aether_large", "aether_pro"}) {
    const StageShape shape = tools::stage_preset(name, 2);
    const Network network = recognise_tensors(tools::make_tensors(shape));
    EXPECT_EQ(network.facts.model_type, name);
    EXPECT_EQ(network.facts.scale, 2);
  }
}

// --- graphs -----------------------------------------------------------------------------------

TEST(StageOutline, OnlyFactorsThatThereAreAreRead) {
  using Kind = OutlineStep::Kind;
  const auto conv = [](std::vector<std::int64_t> shape, std::int64_t groups = 1) {
    return OutlineStep{Kind::convolution, "", std::move(shape), groups, 1};
  };
  const auto recognised = [&](std::int64_t factor) {
    Outline outline;
    outline.steps = {conv({16, 3, 3, 3}),  conv({16, 1, 5, 5}, 16),
                     conv({32, 16, 1, 1}), conv({32, 16, 1, 1}),
                     conv({16, 32, 1, 1}), conv({16, 16, 1, 1}),
                     conv({16, 16, 1, 1}), conv({16, 16, 3, 3}),
                     conv({16, 16, 3, 3}), {Kind::leaky_relu, "", {}, 1, 1},
                     conv({64, 16, 3, 3}), {Kind::pixel_shuffle, "", {}, 1, factor},
                     conv({3, 16, 3, 3})};
    outline.sigmoids = 1;
    return recognise(outline, NetworkInfo{});
  };
  ASSERT_TRUE(recognised(2).has_value());
  EXPECT_EQ(recognised(2)->facts.generation, "G7d");
  EXPECT_EQ(recognised(2)->facts.scale, 2);
  // Of a file, which may say anything.
  for (const std::int64_t factor :
       {std::int64_t{-1}, std::int64_t{0}, std::int64_t{4}, std::int64_t{1} << 40U}) {
    EXPECT_FALSE(recognised(factor).has_value()) << factor;
  }
}

TEST(Quantized, EntriesOfTrainingAreLeftOut) {
  auto tensors = tools::make_tensors(attentive("G7d", true));
  for (const char* key :
       {"conv_first.weight_fake_quant.scale", "conv_first.activation_post_process.min_val",
        "quant.activation_post_process.eps", "stages.0.0.norm_quant.activation_post_process.eps"}) {
    tensors.push_back({key, {1}, {1}});
  }
  const Network network = recognise_tensors(tensors);
  EXPECT_EQ(network.facts.quantization, Quantization::qat);
  EXPECT_EQ(network.facts.generation, "G7d");
  EXPECT_NE(evidence_of(network, "quantization")->because.find("4 entries"), std::string::npos);
}

// The convolutions of a network as integers, each with its output's scale.
std::vector<NamedTensor> quantized(std::vector<NamedTensor> tensors) {
  std::vector<NamedTensor> result;
  for (NamedTensor& tensor : tensors) {
    const bool is_conv = tensor.shape.size() == 4 && tensor.name.ends_with(".weight") &&
                         tensor.name.find("norm") == std::string::npos &&
                         !tensor.name.starts_with("upsample");
    if (!is_conv) {
      result.push_back(std::move(tensor));
      continue;
    }
    const std::string path = tensor.name.substr(0, tensor.name.size() - 7);
    const auto rows = static_cast<std::size_t>(tensor.shape[0]);
    tensor.quantization = tools::Quantization{};
    tensor.quantization->axis = 0;
    tensor.quantization->channels_last = true;
    for (std::size_t i = 0; i < rows; ++i) {
      tensor.quantization->scales.push_back(0.01 * static_cast<double>(i + 1));
      tensor.quantization->zero_points.push_back(0);
    }
    for (std::size_t i = 0; i < tensor.values.size(); ++i) {
      tensor.values[i] = static_cast<double>(i % 255) - 127;
    }
    result.push_back(std::move(tensor));
    result.push_back({path + ".scale", {}, {0.1}});
    NamedTensor zero_point{path + ".zero_point", {}, {3}};
    zero_point.integer = true;
    result.push_back(zero_point);
  }
  return result;
}

TEST(Quantized, WeightsOfNetworksInInt8AreDequantizedOnDemand) {
  const StageShape shape = attentive("G7d", true);
  auto tensors = tools::make_tensors(shape);
  tools::fill_random(tensors, 5);
  tensors = quantized(tensors);
  NamedTensor none{"stages.0.0.channel_attn.fc.0.bias", {}, {}};
  none.kind = tools::EntryKind::none;
  tensors.push_back(none);
  const Caught refused = catch_error([&] { recognise_tensors(tensors); });
  EXPECT_EQ(refused.kind, ErrorKind::unsupported);
  EXPECT_EQ(refused.code, "network-int8");
  EXPECT_NE(refused.message.find("G7d"), std::string::npos);

  ReadOptions options;
  options.dequantize = true;
  const File file(tensors, {});
  const Network network = recognise(file.state_dict, options);
  EXPECT_EQ(network.facts.quantization, Quantization::int8);
  const TensorData weight = file.state_dict.read(*file.state_dict.find("conv_first.weight"));
  EXPECT_EQ(weight.dtype, DType::float32);
  const std::vector<double> values = to_doubles(weight.bytes, weight.dtype);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t row = i / 27;
    const double scale = 0.01 * static_cast<double>(row + 1);
    const auto steps = static_cast<double>(i % 255) - 127;
    EXPECT_EQ(values[i], static_cast<double>(static_cast<float>(steps * scale))) << i;
  }
  // In int8 the seventh generation leaves error_comp out, although the file has it.
  const Image image = test::make_image(3, 5, 4);
  const Image output = test::run_modules(network, file.state_dict, image);
  auto without = tensors;
  for (double& value : tensor_named(without, "quant_fusion_layer.error_comp").values) value = 0;
  const File zeroed(without, {});
  EXPECT_EQ(test::largest_difference(
                test::run_modules(recognise(zeroed.state_dict, options), zeroed.state_dict, image),
                output),
            0);
}

}  // namespace
}  // namespace aether2onnx::network::generations_test
