// The reference of each generation against what the published classes put out, in float64; and what
// those generations must have of which no output is known.

#include "golden.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <memory>

#include "modules.h"
#include "plain_operations.h"
#include "quantized_networks.h"
#include "reference.h"
#include "support.h"

namespace aether2onnx::golden_test {
namespace {

using test::OutputSummary;
using test::StageGolden;
using tools::NamedTensor;
using tools::StageShape;
using verify::DoubleTensor;
using verify::FloatTensor;

// What the reference is told beside the tensors.
NetworkInfo facts_of(const StageShape& shape, double res_scale, double norm_eps) {
  NetworkInfo facts;
  facts.generation = shape.generation;
  facts.norm_type = shape.layer_norm ? NormType::layernorm : NormType::deployment;
  facts.numbers["norm_eps"] = norm_eps;
  if (shape.channel_attention) facts.features.insert("channel_attention");
  if (shape.spatial_attention) facts.features.insert("spatial_attention");
  facts.numbers["res_scale"] = res_scale;
  return facts;
}

NetworkInfo facts_of(const StageGolden& golden, bool fused) {
  return facts_of(golden.network, golden.res_scale, fused ? 0 : golden.norm_eps);
}

NetworkInfo facts_of_first_generation() {
  NetworkInfo facts;
  facts.generation = "G1";
  facts.norm_type = NormType::layernorm;
  return facts;
}

std::unique_ptr<verify::Operations> builtin() {
  return verify::plain_operations(verify::Arithmetic::float64);
}

// Null without the module.
std::unique_ptr<verify::Operations> pytorch() {
  std::string why_not;
  const verify::TorchModule* module = verify::load_torch(why_not);
  return std::unique_ptr<verify::Operations>(module == nullptr ? nullptr
                                                               : module->make(true, -1, false));
}

// Loads the tensors from a file of float64, and gives what `work` makes of the reference.
template <typename Work>
auto with_reference(const std::vector<NamedTensor>& tensors, const NetworkInfo& facts, Work work,
                    std::unique_ptr<verify::Operations> operations = builtin()) {
  tools::CheckpointLayout layout;
  layout.type = tools::StorageType::float64;
  const std::vector<std::byte> bytes = tools::write_checkpoint(tensors, layout);
  const MemoryInput input(bytes);
  network::Network network;
  network.facts = facts;
  return work(verify::Reference(state_dict::StateDict::open(input, {}, {}), network,
                                std::move(operations)));
}

DoubleTensor run_builtin(const std::vector<NamedTensor>& tensors, const NetworkInfo& facts) {
  return with_reference(tensors, facts, [](const verify::Reference& reference) {
    return reference.run(test::exact_golden_input());
  });
}

// The built-in reference's output. PyTorch must compute the same.
DoubleTensor run(const std::vector<NamedTensor>& tensors, const NetworkInfo& facts,
                 const DoubleTensor& image = test::exact_golden_input()) {
  const auto output_of = [&](const verify::Reference& reference) { return reference.run(image); };
  const DoubleTensor output = with_reference(tensors, facts, output_of);
  if (auto operations = pytorch()) {
    const DoubleTensor other = with_reference(tensors, facts, output_of, std::move(operations));
    EXPECT_EQ(other.shape, output.shape);
    for (std::size_t i = 0; i < output.values.size(); ++i) {
      const double value = other.values.at(i);
      EXPECT_NEAR(output.values[i], value, 1e-9 * std::max(1.0, std::abs(value)));
      if (testing::Test::HasFailure()) break;
    }
  }
  return output;
}

// The largest difference of two numbers, relative to those above 1.
double distance(const OutputSummary& actual, const OutputSummary& expected) {
  const auto of = [](double a, double b) { return std::abs(a - b) / std::max(1.0, std::abs(b)); };
  double largest =
      std::max(of(actual.sum, expected.sum), of(actual.sum_of_squares, expected.sum_of_squares));
  for (std::size_t i = 0; i < expected.points.size(); ++i) {
    largest = std::max(largest, of(actual.points[i], expected.points[i]));
  }
  return largest;
}

double distance(const DoubleTensor& a, const DoubleTensor& b) {
  EXPECT_EQ(a.shape, b.shape);
  double largest = 0;
  for (std::size_t i = 0; i < std::min(a.values.size(), b.values.size()); ++i) {
    largest = std::max(largest, std::abs(a.values[i] - b.values[i]));
  }
  return largest;
}

constexpr double kTolerance = 1e-8;

// --- published outputs ------------------------------------------------------------------------

TEST(GoldenReference, OfTheFirstGeneration) {
  const auto expect = [](const test::Golden& golden, bool sensitive) {
    std::vector<NamedTensor> tensors = tools::make_tensors(golden.network);
    tools::fill_sines(tensors);
    if (sensitive) tools::make_epsilon_sensitive(tensors);
    for (const bool fused : {false, true}) {
      const DoubleTensor output =
          run(fused ? tools::fuse(tensors) : tensors, facts_of_first_generation());
      EXPECT_LT(distance(test::summarize(output), golden.output), kTolerance)
          << golden.network.scale << ' ' << sensitive << ' ' << fused;
    }
  };
  for (const auto& [scale, golden] : test::goldens()) expect(golden, false);
  expect(test::epsilon_sensitive(), true);
}

class GoldenStages : public testing::TestWithParam<StageGolden> {};

TEST_P(GoldenStages, UnfusedAndFused) {
  const StageGolden& golden = GetParam();
  for (const bool fused : {false, true}) {
    const DoubleTensor output = run(golden_tensors(golden, fused), facts_of(golden, fused));
    EXPECT_EQ(output.shape, (std::vector<std::int64_t>{1, 3, 7 * golden.network.scale,
                                                       6 * golden.network.scale}));
    EXPECT_LT(distance(test::summarize(output), golden.output), kTolerance) << fused;
  }
}

// Else the test above could not tell.
TEST_P(GoldenStages, AWrongFactIsSeen) {
  const StageGolden& golden = GetParam();
  const auto distance_with = [&](const std::function<void(NetworkInfo&)>& change) {
    NetworkInfo facts = facts_of(golden, false);
    change(facts);
    return distance(test::summarize(run(golden_tensors(golden, false), facts)), golden.output);
  };
  if (golden.norm_eps > 0) {
    const double wrong = golden.norm_eps > 5e-5 ? 1e-5 : 1e-4;
    EXPECT_GT(distance_with([&](NetworkInfo& facts) { facts.numbers["norm_eps"] = wrong; }),
              golden.epsilon_sensitive ? 1e-3 : 1e-6);
    EXPECT_GT(distance_with([&](NetworkInfo& facts) { facts.numbers["norm_eps"] = 0; }), 1e-3);
  }
  if (golden.network.generation == "G7d") {
    EXPECT_GT(distance_with([&](NetworkInfo& facts) { facts.numbers["res_scale"] = 1; }), 1e-3);
    EXPECT_GT(distance_with([&](NetworkInfo& facts) { facts.quantization = Quantization::int8; }),
              1e-3);
    EXPECT_GT(distance_with([&](NetworkInfo& facts) { facts.generation = "G6.1"; }), 1e-3);
  }
}

INSTANTIATE_TEST_SUITE_P(All, GoldenStages, testing::ValuesIn(test::stage_goldens()),
                         [](const auto& test) {
                           std::string name = test.param.name;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

// --- what must hold without a published output ------------------------------------------------

StageShape shape_of(const std::string& generation) {
  StageShape shape;
  shape.generation = generation;
  shape.channel_attention = true;
  shape.spatial_attention = true;
  return shape;
}

double epsilon_of(const std::string& generation) {
  return generation == "G7c" || generation == "G7d" ? 1e-4 : 1e-5;
}

std::vector<NamedTensor> random_tensors(const StageShape& shape) {
  std::vector<NamedTensor> tensors = tools::make_tensors(shape);
  tools::fill_random(tensors, 11);
  return tensors;
}

TEST(ReferenceOfStages, FusedGivesTheSame) {
  for (const std::string& generation : tools::stage_generations()) {
    if (generation == "G2") continue;  // can't be run
    for (const std::int64_t scale : {1, 2, 3, 4, 8}) {
      if (scale == 1 && (generation == "G3" || generation == "G4")) continue;
      StageShape shape = shape_of(generation);
      shape.scale = scale;
      const bool has_choice = generation > "G5.0";
      for (const bool layer_norm : {false, true}) {
        if (layer_norm && !has_choice) continue;
        shape.layer_norm = layer_norm;
        const std::vector<NamedTensor> tensors = random_tensors(shape);
        const double res_scale = has_choice ? 0.3 : 1;
        const double eps = layer_norm ? 0 : epsilon_of(generation);
        const DoubleTensor unfused = run(tensors, facts_of(shape, res_scale, eps));
        // G5x applies its statistics always.
        const double left = generation == "G5x" ? eps : 0;
        const DoubleTensor fused =
            run(tools::fuse(tensors, shape), facts_of(shape, res_scale, left));
        EXPECT_EQ(unfused.shape, (std::vector<std::int64_t>{1, 3, 7 * scale, 6 * scale}));
        EXPECT_LT(distance(fused, unfused), 1e-11) << generation << ' ' << scale;
        const auto [low, high] = std::minmax_element(unfused.values.begin(), unfused.values.end());
        EXPECT_GT(*high - *low, 0.1) << generation << ' ' << scale;
      }
    }
  }
}

TEST(ReferenceOfStages, G4AskedForScale1IsOfScale2) {
  StageShape shape = shape_of("G4");
  shape.scale = 1;
  const DoubleTensor output = run(random_tensors(shape), facts_of(shape, 1, 1e-5));
  EXPECT_EQ(output.shape, (std::vector<std::int64_t>{1, 3, 14, 12}));
}

// Adds to each number of a tensor what depends on its position.
void disturb(std::vector<NamedTensor>& tensors, const std::string& name) {
  const auto found = std::find_if(tensors.begin(), tensors.end(),
                                  [&](const NamedTensor& tensor) { return tensor.name == name; });
  ASSERT_NE(found, tensors.end()) << name;
  for (std::size_t n = 0; n < found->values.size(); ++n) {
    found->values[n] += 0.1 * std::cos(static_cast<double>(n));
  }
}

TEST(ReferenceOfStages, EveryWeightCounts) {
  for (const std::string& generation : tools::stage_generations()) {
    if (generation == "G2") continue;
    StageShape shape = shape_of(generation);
    shape.embed_dim = 48;  // of an attention's few channels one at least passes its ReLU
    const NetworkInfo facts = facts_of(shape, 1, epsilon_of(generation));
    const std::vector<NamedTensor> tensors = random_tensors(shape);
    const DoubleTensor before = run(tensors, facts);
    for (const NamedTensor& tensor : tensors) {
      if (tensor.integer) continue;
      std::vector<NamedTensor> changed = tensors;
      disturb(changed, tensor.name);
      const double change = distance(run_builtin(changed, facts), before);
      const bool unused = (generation == "G3" && tensor.name.starts_with("fusion_convs.")) ||
                          (generation == "G7a" && tensor.name.ends_with(".temperature"));
      if (unused) {
        EXPECT_EQ(change, 0) << tensor.name;
      } else {
        EXPECT_GT(change, 1e-6) << generation << ' ' << tensor.name;
      }
    }
  }
}

TEST(ReferenceOfStages, FoldedStatisticsAreIgnored) {
  const StageShape shape = shape_of("G6.1");
  std::vector<NamedTensor> fused = tools::fuse(random_tensors(shape), shape);
  const NetworkInfo facts = facts_of(shape, 0.1, 0);
  const DoubleTensor before = run(fused, facts);
  disturb(fused, "norm.running_mean");
  disturb(fused, "stages.0.1.norm.running_var");
  EXPECT_EQ(distance(run(fused, facts), before), 0);
}

TEST(ReferenceOfStages, Int8HasNoCompensationButInG7a) {
  for (const char* generation : {"G7a", "G7b", "G7c", "G7d"}) {
    const StageShape shape = shape_of(generation);
    std::vector<NamedTensor> tensors = random_tensors(shape);
    NetworkInfo facts = facts_of(shape, 0.1, 1e-4);
    facts.quantization = Quantization::int8;
    const DoubleTensor before = run(tensors, facts);
    disturb(tensors, "quant_fusion_layer.error_comp");
    const double change = distance(run(tensors, facts), before);
    if (shape.generation == "G7a") {
      EXPECT_GT(change, 1e-3);
    } else {
      EXPECT_EQ(change, 0) << generation;
    }
    facts.quantization = Quantization::qat;
    EXPECT_GT(distance(run(tensors, facts), before), 1e-3) << generation;
  }
}

TEST(ReferenceOfStages, TheGateOfG7aIsThatOfG7bWithoutTemperature) {
  const StageShape first = shape_of("G7a");
  std::vector<NamedTensor> tensors = random_tensors(first);
  const DoubleTensor output = run(tensors, facts_of(first, 0.1, 1e-5));
  const NetworkInfo later = facts_of(shape_of("G7b"), 0.1, 1e-5);
  EXPECT_GT(distance(run(tensors, later), output), 1e-3);
  for (NamedTensor& tensor : tensors) {
    if (tensor.name.ends_with(".temperature")) tensor.values = {1};
  }
  EXPECT_LT(distance(run(tensors, later), output), 1e-12);
}

TEST(ReferenceOfStages, TheKeysOfOneRevision) {
  StageShape shape = shape_of("G7d");
  shape.scale = 8;
  std::vector<NamedTensor> tensors = random_tensors(shape);
  const NetworkInfo facts = facts_of(shape, 0.1, 1e-4);
  const DoubleTensor before = run(tensors, facts);
  for (NamedTensor& tensor : tensors) {
    for (const auto& [from, to] : {std::pair<std::string, std::string>{".0.", ".0.0."},
                                   {".2.", ".1.0."},
                                   {".4.", ".2.0."}}) {
      const std::string root = "upsample.blocks";
      if (!tensor.name.starts_with(root + from)) continue;
      tensor.name = root + to + tensor.name.substr((root + from).size());
      break;
    }
  }
  EXPECT_EQ(distance(run(tensors, facts), before), 0);
}

TEST(ReferenceOfStages, WhatTheRangeMeans) {
  const auto mapped = [](DoubleTensor tensor, const std::function<double(double)>& function) {
    for (double& value : tensor.values) value = function(value);
    return tensor;
  };
  const DoubleTensor image = test::exact_golden_input();
  for (const std::string& generation : tools::stage_generations()) {
    if (generation == "G2") continue;
    const StageShape shape = shape_of(generation);
    const std::vector<NamedTensor> tensors = random_tensors(shape);
    NetworkInfo facts = facts_of(shape, 1, epsilon_of(generation));
    // The same through a network of range 1, from an image that is changed beforehand.
    DoubleTensor expected;
    if (generation.starts_with("G7")) {
      expected = mapped(run(tensors, facts, mapped(image, [](double x) { return x / 4; })),
                        [](double y) { return y * 4; });
    } else {
      expected =
          mapped(run(tensors, facts, mapped(image, [](double x) { return (x - 0.5) * 4 + 0.5; })),
                 [](double y) { return (y - 0.5) / 4 + 0.5; });
    }
    facts.numbers["img_range"] = 4;
    EXPECT_LT(distance(run(tensors, facts), expected), 1e-12) << generation;
  }
}

// --- the parts that are compared --------------------------------------------------------------

std::vector<std::string> traced(const StageShape& shape, double norm_eps) {
  verify::BlockOutputs blocks;
  verify::Ranges ranges;
  const std::vector<NamedTensor> tensors = random_tensors(shape);
  const DoubleTensor output = with_reference(
      tensors, facts_of(shape, 0.1, norm_eps), [&](const verify::Reference& reference) {
        return reference.run(test::golden_input(), {.blocks = &blocks, .ranges = &ranges});
      });
  EXPECT_EQ(distance(blocks.back().second, output), 0);
  EXPECT_FALSE(ranges.blocks().empty());
  std::vector<std::string> paths;
  for (const auto& [path, value] : blocks) paths.push_back(path);
  return paths;
}

TEST(ReferenceOfStages, ItsPartsInTheirOrder) {
  using Paths = std::vector<std::string>;
  const auto joined = [](const std::vector<Paths>& lists) {
    Paths all;
    for (const Paths& list : lists) all.insert(all.end(), list.begin(), list.end());
    return all;
  };
  const Paths stages = {"conv_first", "stages.0.0", "stages.0.1", "stages.1.0"};
  const Paths fusion = {"fusion_convs.0", "fusion_convs.1", "quant_fusion_layer"};
  const Paths inner_norm = {"shortcut", "norm", "conv_after_body", "body_residual"};
  const Paths tail = {"conv_before_upsample.0", "conv_before_upsample.1", "upsample.blocks.0",
                      "upsample.blocks.1", "conv_last"};
  EXPECT_EQ(traced(shape_of("G3"), 1e-5),
            joined({stages, {"quant_fusion_layer"}, inner_norm, tail}));
  for (const char* generation : {"G4", "G5.0", "G5.1", "G5.2", "G6.0", "G6.1"}) {
    EXPECT_EQ(traced(shape_of(generation), 1e-5), joined({stages, fusion, inner_norm, tail}))
        << generation;
  }
  StageShape shape = shape_of("G7d");
  EXPECT_EQ(traced(shape, 1e-4),
            joined({stages, fusion, {"shortcut", "conv_after_body", "body_residual"}, tail}));
  shape.layer_norm = true;
  EXPECT_EQ(
      traced(shape, 0),
      joined({stages, fusion, {"norm", "shortcut", "conv_after_body", "body_residual"}, tail}));
  shape.scale = 1;  // a convolution without a shuffle
  const Paths at_scale_1 = traced(shape, 0);
  EXPECT_EQ(Paths(at_scale_1.end() - 2, at_scale_1.end()),
            (Paths{"upsample.blocks.0", "conv_last"}));
  shape = shape_of("G5x");
  shape.scale = 4;
  EXPECT_EQ(traced(shape, 1e-5),
            joined({stages,
                    fusion,
                    inner_norm,
                    {"conv_before_upsample", "upsample.upsample.up_0.0", "upsample.upsample.up_0.1",
                     "upsample.upsample.up_1.0", "upsample.upsample.up_1.1", "conv_last"}}));
  shape.scale = 3;
  const Paths at_scale_3 = traced(shape, 1e-5);
  EXPECT_EQ(Paths(at_scale_3.end() - 3, at_scale_3.end()),
            (Paths{"upsample.upsample.up_3x.0", "upsample.upsample.up_3x.1", "conv_last"}));
}

TEST(ReferenceOfStages, TheBodyNormOfG7IsPartOfTheFusion) {
  const StageShape shape = shape_of("G7d");
  std::vector<NamedTensor> tensors = random_tensors(shape);
  const auto fusion = [&] {
    verify::BlockOutputs blocks;
    with_reference(tensors, facts_of(shape, 0.1, 1e-4), [&](const verify::Reference& reference) {
      return reference.run(test::golden_input(), {.blocks = &blocks});
    });
    for (auto& [path, value] : blocks) {
      if (path == "quant_fusion_layer") return value;
    }
    return DoubleTensor{};
  };
  const DoubleTensor before = fusion();
  ASSERT_FALSE(before.values.empty());
  disturb(tensors, "norm.bias");
  EXPECT_GT(distance(fusion(), before), 1e-3);
}

// With the outputs of its own parts put in, each part computes what it did; with another input,
// only the next part and those that take its output see it.
TEST(ReferenceOfStages, EachPartCanGetItsInput) {
  const StageShape shape = shape_of("G6.1");
  const std::vector<NamedTensor> tensors = random_tensors(shape);
  const NetworkInfo facts = facts_of(shape, 0.1, 1e-5);
  with_reference(tensors, facts, [&](const verify::Reference& reference) {
    verify::BlockOutputs free;
    reference.run(test::golden_input(), {.blocks = &free});
    std::map<std::string, std::vector<float>> inputs;
    for (const auto& [path, output] : free) {
      inputs[path] = {output.values.begin(), output.values.end()};
    }
    for (float& value : inputs.at("stages.0.0")) value += 1;
    verify::BlockOutputs given;
    reference.run(test::golden_input(),
                  {.replace = [&](const std::string& path, const DoubleTensor& output) {
                    given.emplace_back(path, output);
                    return &inputs.at(path);
                  }});
    EXPECT_EQ(given.size(), free.size());
    for (std::size_t i = 0; i < std::min(given.size(), free.size()); ++i) {
      const double change = distance(given[i].second, free[i].second);
      if (free[i].first == "stages.0.1") {
        EXPECT_GT(change, 0.1);
      } else {
        EXPECT_LT(change, 1e-5) << free[i].first;  // the inputs are rounded to float32
      }
    }
    return 0;
  });
}

TEST(ReferenceOfStages, AGenerationWithoutAReferenceIsRefused) {
  const StageShape shape = shape_of("G2");
  const test::Caught caught =
      test::catch_error([&] { run(random_tensors(shape), facts_of(shape, 1, 1e-5)); });
  EXPECT_EQ(caught.code, "verify-no-reference");
  EXPECT_NE(caught.message.find("G2"), std::string::npos);
}

TEST(ReferenceOfStages, AnUpsamplerThatFitsNoShuffleIsRefused) {
  const StageShape shape = shape_of("G7d");
  std::vector<NamedTensor> tensors = random_tensors(shape);
  for (NamedTensor& tensor : tensors) {
    if (tensor.name != "conv_last.weight") continue;
    tensor.shape[1] = 31;
    tensor.values.resize(tensor.values.size() / 32 * 31);
  }
  const test::Caught caught = test::catch_error([&] { run(tensors, facts_of(shape, 0.1, 1e-4)); });
  EXPECT_EQ(caught.code, "verify-shuffle");
  EXPECT_NE(caught.message.find("upsample.blocks.0"), std::string::npos);
}

}  // namespace
}  // namespace aether2onnx::golden_test
