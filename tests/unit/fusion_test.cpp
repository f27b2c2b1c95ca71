#include "network/evaluate.h"
#include "network/passes/passes.h"

#include <gtest/gtest.h>

#include "sample_networks.h"
#include "support.h"

namespace aether2onnx::network::fusion_test {
namespace {

using tools::NamedTensor;
using tools::NetworkShape;

std::vector<double> numbers(const TensorData& data) { return to_doubles(data.bytes, data.dtype); }

TEST(Fuse, ReplacesEveryPairAndKeepsTheRest) {
  const auto bytes = tools::write_checkpoint(tools::make_tensors(NetworkShape{}));
  const MemoryInput input(bytes);
  const auto state_dict = state_dict::StateDict::open(input, {}, {});
  const Fused fusion = fuse(recognise(state_dict));
  EXPECT_EQ(fusion.convolutions, 3U);

  NetworkShape fused_shape;
  fused_shape.fused = true;
  const auto fused_bytes = tools::write_checkpoint(tools::make_tensors(fused_shape));
  const MemoryInput fused_input(fused_bytes);
  const auto fused_state_dict = state_dict::StateDict::open(fused_input, {}, {});
  const Fused same = fuse(recognise(fused_state_dict));
  EXPECT_EQ(same.convolutions, 0U);

  // The network that comes out is the one that PyTorch's fused class has: names, shapes, order.
  ASSERT_EQ(fusion.network.parameters.size(), same.network.parameters.size());
  for (std::size_t i = 0; i < same.network.parameters.size(); ++i) {
    EXPECT_EQ(fusion.network.parameters[i].name, same.network.parameters[i].name);
    EXPECT_EQ(fusion.network.parameters[i].shape, same.network.parameters[i].shape);
  }
  ASSERT_EQ(fusion.network.modules.size(), same.network.modules.size());
  for (std::size_t i = 0; i < same.network.modules.size(); ++i) {
    EXPECT_EQ(fusion.network.modules[i].path, same.network.modules[i].path);
    EXPECT_EQ(fusion.network.modules[i].inputs, same.network.modules[i].inputs);
  }
}

TEST(Evaluate, TheSmallKernelGoesToTheMiddle) {
  for (const std::int64_t k : {1, 3, 5}) {
    std::vector<NamedTensor> tensors = {{"large", {2, 1, 5, 5}, std::vector<double>(50)},
                                        {"small", {2, 1, k, k}, {}}};
    for (std::size_t i = 0; i < 50; ++i) tensors[0].values[i] = static_cast<double>(i);
    for (std::int64_t i = 0; i < 2 * k * k; ++i) {
      tensors[1].values.push_back(1000 * static_cast<double>(i + 1));
    }
    const auto bytes = tools::write_checkpoint(tensors);
    const MemoryInput input(bytes);
    const auto state_dict = state_dict::StateDict::open(input, {}, {});
    const TensorData sum =
        evaluate(Expression::of(Expression::Kind::centred_add, Expression::stored("large"),
                                Expression::stored("small")),
                 state_dict);
    EXPECT_EQ(sum.shape, (std::vector<std::int64_t>{2, 1, 5, 5}));
    const std::vector<double> values = numbers(sum);
    const std::int64_t offset = (5 - k) / 2;
    for (std::int64_t c = 0; c < 2; ++c) {
      for (std::int64_t y = 0; y < 5; ++y) {
        for (std::int64_t x = 0; x < 5; ++x) {
          double expected = static_cast<double>((c * 5 + y) * 5 + x);
          const std::int64_t v = y - offset;
          const std::int64_t u = x - offset;
          if (v >= 0 && v < k && u >= 0 && u < k) {
            expected += 1000 * static_cast<double>((c * k + v) * k + u + 1);
          }
          EXPECT_EQ(values[static_cast<std::size_t>((c * 5 + y) * 5 + x)], expected);
        }
      }
    }
  }
}

TensorData sum_of(const std::vector<double>& a, const std::vector<double>& b,
                  tools::StorageType type) {
  tools::CheckpointLayout layout;
  layout.type = type;
  const auto count = static_cast<std::int64_t>(a.size());
  const auto bytes = tools::write_checkpoint({{"a", {count}, a}, {"b", {count}, b}}, layout);
  const MemoryInput input(bytes);
  const auto state_dict = state_dict::StateDict::open(input, {}, {});
  return evaluate(
      Expression::of(Expression::Kind::add, Expression::stored("a"), Expression::stored("b")),
      state_dict);
}

TEST(Evaluate, SumsAreMadeInFloat64AndRoundedOnceToFloat32) {
  using tools::StorageType;
  // Ties between two floats, one to each side, and just beside a tie.
  const TensorData sum = sum_of({33554432, 33554436, 33554432}, {2, 2, 2.5}, StorageType::float32);
  EXPECT_EQ(sum.dtype, DType::float32);
  EXPECT_EQ(numbers(sum), (std::vector<double>{33554432, 33554440, 33554436}));

  // In float16 the small one would vanish; the sum has more digits than float16.
  const TensorData of_halves = sum_of({2048}, {1}, StorageType::float16);
  EXPECT_EQ(of_halves.dtype, DType::float32);
  EXPECT_EQ(numbers(of_halves), (std::vector<double>{2049}));

  const TensorData of_doubles = sum_of({33554432}, {1}, StorageType::float64);
  EXPECT_EQ(of_doubles.dtype, DType::float64);
  EXPECT_EQ(numbers(of_doubles), (std::vector<double>{33554433}));
}

TEST(Evaluate, ASumBeyondFloat32IsKeptForTheWriterToTell) {
  const TensorData sum = sum_of({3e38, 1}, {3e38, 1}, tools::StorageType::float32);
  EXPECT_EQ(sum.dtype, DType::float64);
  EXPECT_EQ(numbers(sum).at(0), 2 * static_cast<double>(3e38F));
}

TEST(Evaluate, AStoredTensorKeepsItsType) {
  tools::CheckpointLayout layout;
  layout.type = tools::StorageType::float16;
  const auto bytes = tools::write_checkpoint({{"a", {2}, {1.5, -2}}}, layout);
  const MemoryInput input(bytes);
  const auto state_dict = state_dict::StateDict::open(input, {}, {});
  const TensorData data = evaluate(Expression::stored("a"), state_dict);
  EXPECT_EQ(data.dtype, DType::float16);
  EXPECT_EQ(numbers(data), (std::vector<double>{1.5, -2}));
}

}  // namespace
}  // namespace aether2onnx::network::fusion_test
