// What is folded into convolutions, and what must not be: each on a network of a few modules.

#include <gtest/gtest.h>

#include <cmath>

#include "checkpoint_writer.h"
#include "module_runner.h"
#include "network/evaluate.h"
#include "network/passes/passes.h"
#include "support.h"

namespace aether2onnx::network::fold_test {
namespace {

using test::Image;

// A network under construction with the file that has its weights, in float64.
class Sketch {
 public:
  ParameterId parameter(const std::string& name, std::vector<std::int64_t> shape) {
    std::size_t count = 1;
    for (const std::int64_t size : shape) count *= static_cast<std::size_t>(size);
    tools::NamedTensor tensor{name, shape, {}};
    for (std::size_t i = 0; i < count; ++i) {
      tensor.values.push_back(
          std::sin(1.7 * static_cast<double>(i) + static_cast<double>(tensors_.size())));
    }
    tensors_.push_back(tensor);
    return network.add_parameter(name, std::move(shape), Expression::stored(name));
  }
  ValueId conv(const std::string& path, std::int64_t kernel, ValueId input, bool bias = true) {
    Conv2d conv;
    conv.kernel = kernel;
    conv.weight = parameter(path + ".weight", {3, 3, kernel, kernel});
    if (bias) conv.bias = parameter(path + ".bias", {3});
    return network.add(path, conv, {input});
  }
  ValueId shift(const std::string& path, ValueId input) {
    return network.add(path, ChannelShift{parameter(path, {1, 3, 1, 1}), false}, {input});
  }
  ValueId channel_attention(const std::string& path, ValueId input) {
    ChannelAttention attention;
    attention.reduce_weight = parameter(path + ".reduce", {2, 3, 1, 1});
    attention.reduce_bias = parameter(path + ".bias", {2});
    attention.expand_weight = parameter(path + ".expand", {3, 2, 1, 1});
    return network.add(path, attention, {input});
  }
  ValueId spatial_attention(const std::string& path, ValueId input) {
    return network.add(path, SpatialAttention{parameter(path, {1, 2, 3, 3}), 3, path + ".conv"},
                       {input});
  }

  // Folds, sees that the numbers stay, and gives what came out.
  Folded fold_and_compare() {
    tools::CheckpointLayout layout;
    layout.type = tools::StorageType::float64;
    const auto bytes = tools::write_checkpoint(tensors_, layout);
    const MemoryInput input(bytes);
    const auto state_dict = state_dict::StateDict::open(input, {}, {});
    const Image image = test::make_image(3, 4, 5);
    Folded folding = fold(network);
    EXPECT_LT(test::largest_difference(test::run_modules(network, state_dict, image),
                                       test::run_modules(folding.network, state_dict, image)),
              1e-13);
    return folding;
  }

  Network network;

 private:
  std::vector<tools::NamedTensor> tensors_;
};

TEST(Fold, AShiftBehindAConvolutionGoesIntoItsBias) {
  for (const bool bias : {true, false}) {
    Sketch sketch;
    sketch.shift("shift", sketch.conv("conv", 3, 0, bias));
    const Folded folding = sketch.fold_and_compare();
    EXPECT_EQ(folding.network.modules.size(), 1U);
    EXPECT_EQ(folding.shifts, 1U);
    EXPECT_TRUE(std::get<Conv2d>(folding.network.modules[0].operation).bias.has_value());
  }
}

TEST(Fold, AShiftBeforeAConvolutionOnlyWhereNothingIsPadded) {
  Sketch point;
  point.conv("conv", 1, point.shift("shift", 0), false);
  EXPECT_EQ(point.fold_and_compare().network.modules.size(), 1U);
  Sketch padded;
  padded.conv("conv", 3, padded.shift("shift", 0));
  EXPECT_EQ(padded.fold_and_compare().network.modules.size(), 2U);
  // Depthwise, it would see one channel of it.
  Sketch grouped;
  const ValueId shifted = grouped.shift("shift", 0);
  Conv2d conv;
  conv.groups = 3;
  conv.weight = grouped.parameter("w", {3, 1, 1, 1});
  conv.bias = grouped.parameter("b", {3});
  grouped.network.add("conv", conv, {shifted});
  EXPECT_EQ(grouped.fold_and_compare().network.modules.size(), 2U);
}

TEST(Fold, NothingIsFoldedThatAnotherTakesAsWell) {
  Sketch behind;
  const ValueId value = behind.conv("conv", 3, 0);
  behind.network.add("sum", Add{}, {behind.shift("shift", value), value});
  EXPECT_EQ(behind.fold_and_compare().network.modules.size(), 3U);
  Sketch before;
  const ValueId shifted = before.shift("shift", 0);
  before.network.add("sum", Add{}, {before.conv("conv", 1, shifted), shifted});
  EXPECT_EQ(before.fold_and_compare().network.modules.size(), 3U);
  // Two convolutions are no obstacle.
  Sketch both;
  const ValueId seen = both.shift("shift", 0);
  both.network.add("sum", Add{}, {both.conv("a", 1, seen), both.conv("b", 1, seen)});
  EXPECT_EQ(both.fold_and_compare().network.modules.size(), 3U);
  // The output is taken by whoever runs the network.
  Sketch output;
  output.shift("shift", 0);
  EXPECT_EQ(output.fold_and_compare().network.modules.size(), 1U);
}

TEST(Fold, AFactorGoesIntoTheConvolutionBehindOrBefore) {
  for (const bool divide : {false, true}) {
    Sketch behind;
    behind.conv("conv", 3, behind.network.add("scale", Scale{2.5, {}, divide}, {0}));
    Folded folding = behind.fold_and_compare();
    EXPECT_EQ(folding.network.modules.size(), 1U);
    EXPECT_EQ(folding.factors, 1U);
    Sketch before;
    before.network.add("scale", Scale{-2.5, {}, divide}, {before.conv("conv", 3, 0)});
    EXPECT_EQ(before.fold_and_compare().network.modules.size(), 1U);
    Sketch parameter;
    const ValueId conv = parameter.conv("conv", 1, 0);
    parameter.network.add("scale", Scale{1, parameter.parameter("t", {1}), divide}, {conv});
    folding = parameter.fold_and_compare();
    EXPECT_EQ(folding.network.modules.size(), 1U);
    EXPECT_EQ(folding.temperatures, 1U);
  }
}

TEST(Fold, AFactorGoesThroughAttentionWhereItIsPositive) {
  for (const double factor : {0.1, 3.0, -0.1}) {
    Sketch sketch;
    ValueId value = sketch.conv("conv", 1, 0);
    value = sketch.channel_attention("channels", value);
    value = sketch.spatial_attention("pixels", value);
    sketch.network.add("scale", Scale{factor, {}, false}, {value});
    EXPECT_EQ(sketch.fold_and_compare().network.modules.size(), factor > 0 ? 3U : 4U);
  }
  // A parameter's sign isn't known.
  Sketch parameter;
  ValueId value = parameter.channel_attention("channels", parameter.conv("conv", 1, 0));
  parameter.network.add("scale", Scale{1, parameter.parameter("t", {1}), false}, {value});
  EXPECT_EQ(parameter.fold_and_compare().network.modules.size(), 3U);
  // What attention makes is taken twice, or what it takes.
  Sketch twice;
  const ValueId input = twice.conv("conv", 1, 0);
  value = twice.channel_attention("channels", input);
  value = twice.network.add("scale", Scale{0.1, {}, false}, {value});
  twice.network.add("sum", Add{}, {value, input});
  EXPECT_EQ(twice.fold_and_compare().network.modules.size(), 4U);
}

TEST(Fold, AnAffineGoesIntoTheConvolutionBefore) {
  for (const bool bias : {true, false}) {
    Sketch sketch;
    const ValueId conv = sketch.conv("conv", 3, 0, bias);
    const ParameterId weight = sketch.parameter("norm.weight", {1, 3, 1, 1});
    sketch.network.add("norm", ChannelAffine{weight, sketch.parameter("norm.bias", {1, 3, 1, 1})},
                       {conv});
    const Folded folding = sketch.fold_and_compare();
    EXPECT_EQ(folding.network.modules.size(), 1U);
    EXPECT_EQ(folding.norms, 1U);
  }
  // Into the one behind only what zero padding doesn't see.
  Sketch behind;
  const ParameterId weight = behind.parameter("norm.weight", {1, 3, 1, 1});
  const ValueId norm = behind.network.add(
      "norm", ChannelAffine{weight, behind.parameter("norm.bias", {1, 3, 1, 1})}, {0});
  behind.conv("conv", 3, norm);
  EXPECT_EQ(behind.fold_and_compare().network.modules.size(), 2U);
}

TEST(Fold, ChainsAreFoldedInTheirOrder) {
  Sketch sketch;
  ValueId value = sketch.conv("conv", 3, 0);
  value = sketch.shift("first", value);
  value = sketch.network.add("scale", Scale{0.3, {}, false}, {value});
  const ParameterId weight = sketch.parameter("norm.weight", {3});
  value = sketch.network.add("norm", ChannelAffine{weight, sketch.parameter("norm.bias", {3})},
                             {value});
  sketch.shift("second", value);
  EXPECT_EQ(sketch.fold_and_compare().network.modules.size(), 1U);
}

// A fused checkpoint holds float32 numbers; the network that it is made from gives the same.
TEST(Fold, GoesOnFromTheNumbersOfTheFusedCheckpoint) {
  Network network;
  const auto sum = [&](const std::string& name, std::vector<std::int64_t> shape) {
    return network.add_parameter(
        name, std::move(shape),
        Expression::of(Expression::Kind::add, Expression::stored("a"), Expression::stored("b")));
  };
  Conv2d conv;
  conv.weight = sum("weight", {1, 1, 1, 1});
  conv.groups = 1;
  const ValueId value = network.add("conv", conv, {0});
  network.add("scale", Scale{3, {}, false}, {value});
  const Folded folding = fold(network);
  const auto bytes =
      tools::write_checkpoint({{"a", {1, 1, 1, 1}, {1}}, {"b", {1, 1, 1, 1}, {0x1p-24}}});
  const MemoryInput input(bytes);
  const auto state_dict = state_dict::StateDict::open(input, {}, {});
  const TensorData data = evaluate(folding.network.parameters.at(0).value, state_dict);
  // (1 + 2^-24) is 1 in float32.
  EXPECT_EQ(to_doubles(data.bytes, data.dtype).at(0), 3.0);
}

}  // namespace
}  // namespace aether2onnx::network::fold_test
