// The built-in operations of the reference against libtorch's, one by one, and against numbers that
// were computed by hand.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include "base/dtype.h"
#include "formulas.h"
#include "modules.h"
#include "plain_operations.h"
#include "setup.h"
#include "support.h"

namespace aether2onnx::operations_test {
namespace {

using verify::Arithmetic;
using verify::Operations;
using verify::Value;
using Shape = std::vector<std::int64_t>;

std::vector<double> numbers(std::size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<double> values(count);
  // Exact in float32, so that both arithmetics get the same.
  for (double& value : values) value = static_cast<double>(generator() >> 12U) * 0x1p-19 - 1;
  return values;
}

// Makes values of consecutive seeds.
class Maker {
 public:
  explicit Maker(const Operations& operations) : operations_(operations) {}
  Value operator()(const Shape& shape) {
    return operations_.make(shape, numbers(verify::count_elements(shape), ++seed_).data());
  }

 private:
  const Operations& operations_;
  unsigned seed_ = 0;
};

using Formula = std::function<Value(Maker& make)>;

void expect_same(const Formula& formula, const std::string& name) {
  std::string why_not;
  const verify::TorchModule* module = verify::load_torch(why_not);
  if (module == nullptr) GTEST_SKIP() << why_not;
  for (const bool float64 : {true, false}) {
    const auto plain =
        verify::plain_operations(float64 ? Arithmetic::float64 : Arithmetic::float32);
    const std::unique_ptr<Operations> torch(module->make(float64, -1, false));
    Maker make_plain(*plain);
    Maker make_torch(*torch);
    const Value a = formula(make_plain);
    const Value b = formula(make_torch);
    ASSERT_EQ(a.shape(), b.shape()) << name;
    const std::vector<double> found = plain->read(a);
    const std::vector<double> expected = torch->read(b);
    ASSERT_EQ(found.size(), expected.size()) << name;
    for (std::size_t i = 0; i < found.size(); ++i) {
      const double tolerance = (float64 ? 1e-12 : 1e-4) * std::max(1.0, std::abs(expected[i]));
      ASSERT_NEAR(found[i], expected[i], tolerance) << name << ' ' << i;
    }
    EXPECT_NEAR(plain->largest_magnitude(a), torch->largest_magnitude(b),
                1e-5 * torch->largest_magnitude(b));
  }
}

TEST(Operations, ConvolutionsOfEverySize) {
  for (const std::int64_t kernel : {1, 3, 5, 13}) {
    for (const auto& [height, width] :
         {std::pair<std::int64_t, std::int64_t>{1, 1}, {2, 9}, {7, 6}, {33, 41}}) {
      for (const auto& [in, out] :
           {std::pair<std::int64_t, std::int64_t>{1, 1}, {3, 5}, {4, 2}, {17, 16}}) {
        const std::string name = fmt::format("{} {}x{} {}->{}", kernel, height, width, in, out);
        const Shape image = {2, in, height, width};
        expect_same(
            [&, h = height](Maker& make) {
              const Value bias = h == 7 ? Value() : make({out});
              return verify::conv2d(make(image), make({out, in, kernel, kernel}), bias);
            },
            name);
        expect_same(
            [&](Maker& make) {
              return verify::conv2d(make(image), make({in, 1, kernel, kernel}), make({in}), in);
            },
            name + " depthwise");
      }
    }
  }
}

TEST(Operations, OfChannels) {
  for (const Shape& image : {Shape{1, 1, 1, 1}, Shape{2, 5, 7, 6}, Shape{1, 48, 33, 70}}) {
    const std::int64_t c = image[1];
    expect_same([&](Maker& make) { return layer_norm(make(image), make({c}), make({c}), 1e-6); },
                "layer_norm");
    expect_same(
        [&](Maker& make) {
          return linear(make(image), make({9, c}), make({9}));
        },
        "linear");
    expect_same([&](Maker& make) { return linear(make(image), make({9, c}), Value()); }, "no bias");
    expect_same([&](Maker& make) { return mean_over_channels(make(image)); }, "mean");
    expect_same([&](Maker& make) { return largest_over_channels(make(image)); }, "max");
    expect_same([&](Maker& make) { return mean_over_pixels(make(image)); }, "mean of pixels");
    expect_same(
        [&](Maker& make) {
          return verify::concatenate({make(image), make(image)});
        },
        "concat");
  }
  expect_same(
      [&](Maker& make) {
        return verify::concatenate({make({2, 3, 4, 5}), make({2, 1, 4, 5})});
      },
      "uneven");
  for (const std::int64_t factor : {1, 2, 3}) {
    expect_same(
        [&](Maker& make) {
          return pixel_shuffle(make({2, 18 * factor * factor, 3, 5}), factor);
        },
        "pixel_shuffle");
  }
}

TEST(Operations, OfElements) {
  for (const Shape& image : {Shape{3, 4, 5, 6}, Shape{1, 3, 200, 190}}) {
    expect_same([&](Maker& make) { return verify::gelu(make(image)); }, "gelu");
    expect_same([&](Maker& make) { return verify::silu(make(image)); }, "silu");
    expect_same([&](Maker& make) { return verify::relu(make(image)); }, "relu");
    expect_same([&](Maker& make) { return verify::sigmoid(make(image)); }, "sigmoid");
    expect_same([&](Maker& make) { return verify::square_root(make(image) + 2.0); }, "sqrt");
    expect_same([&](Maker& make) { return verify::leaky_relu(make(image), 0.01); }, "leaky_relu");
  }
}

TEST(Operations, RepeatAxesOfOneElement) {
  const Shape image = {2, 3, 4, 5};
  for (const Shape& other : {image, Shape{1}, Shape{}, Shape{5}, Shape{4, 1}, Shape{1, 3, 1, 1},
                             Shape{2, 3, 1, 1}, Shape{2, 1, 4, 5}}) {
    expect_same([&](Maker& make) { return make(image) + make(other); }, "add");
    expect_same([&](Maker& make) { return make(other) - make(image); }, "subtract");
    expect_same([&](Maker& make) { return make(image) * make(other); }, "multiply");
    expect_same([&](Maker& make) { return make(other) / (make(image) + 3.0); }, "divide");
  }
  expect_same([&](Maker& make) { return make(image) * of_channels(make({3})); }, "of_channels");
}

TEST(Operations, RefuseShapesThatDoNotFit) {
  const auto plain = verify::plain_operations(Arithmetic::float64);
  Maker make(*plain);
  const auto expect_refused = [&](const std::function<void()>& work) {
    EXPECT_EQ(test::catch_error(work).code, "verify-shapes");
  };
  expect_refused([&] { conv2d(make({1, 3, 4, 4}), make({2, 4, 3, 3}), Value()); });
  expect_refused([&] { conv2d(make({1, 3, 4, 4}), make({2, 3, 2, 2}), Value()); });
  expect_refused([&] { conv2d(make({1, 3, 4, 4}), make({2, 3, 3, 3}), make({3})); });
  expect_refused([&] { linear(make({1, 3, 4, 4}), make({2, 4}), Value()); });
  expect_refused([&] { layer_norm(make({1, 3, 4, 4}), make({4}), make({4}), 1e-6); });
  expect_refused([&] { make({1, 3, 4, 4}) + make({1, 2, 4, 4}); });
  expect_refused([&] { pixel_shuffle(make({1, 6, 4, 4}), 2); });
  expect_refused([&] { verify::concatenate({make({1, 6, 4, 4}), make({1, 6, 4, 5})}); });
}

TEST(Operations, ValuesThatAreNotFiniteStay) {
  const auto plain = verify::plain_operations(Arithmetic::float64);
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> values = {1, nan, -3};
  const Value x = plain->make({1, 3, 1, 1}, values.data());
  for (const Value& y : {relu(x), leaky_relu(x, 0.01), gelu(x), x + 1.0}) {
    EXPECT_TRUE(std::isnan(plain->read(y)[1]));
    EXPECT_TRUE(std::isinf(plain->largest_magnitude(y)));
  }
  EXPECT_TRUE(std::isnan(plain->read(largest_over_channels(x))[0]));
}

// --- rounding -----------------------------------------------------------------------------------

TEST(Operations, RoundAsTheTypesDo) {
  const auto rounded = [](Arithmetic arithmetic, double value) {
    const auto operations = verify::plain_operations(arithmetic);
    return operations->read(operations->make({1}, &value))[0];
  };
  std::mt19937 generator(3);
  for (int i = 0; i < 20000; ++i) {
    const float value = std::ldexp(static_cast<float>(generator() >> 8U) * 0x1p-24F * 2 - 1,
                                   static_cast<int>(generator() % 40) - 28);
    if (std::abs(value) < 65000) {
      EXPECT_EQ(rounded(Arithmetic::float16, static_cast<double>(value)),
                from_half_bits(to_half_bits(static_cast<double>(value))));
    }
    EXPECT_EQ(rounded(Arithmetic::bfloat16, static_cast<double>(value)),
              from_bfloat16_bits(to_bfloat16_bits(static_cast<double>(value))));
  }
  // The range is that of float32.
  EXPECT_EQ(rounded(Arithmetic::float16, 1e30), rounded(Arithmetic::float16, 1e30));
  EXPECT_NEAR(rounded(Arithmetic::float16, 1e30), 1e30, 1e27);
}

// Debian's libtorch has no half for CUDA. What failed to load is named.
TEST(Torch, TheHalfForCudaIsLoadedOrNamed) {
  std::string why_not;
  const verify::TorchModule* torch = verify::load_torch(why_not);
  if (torch == nullptr) GTEST_SKIP() << why_not;
  const std::string problem = verify::problem_of_cuda(*torch);
  EXPECT_EQ(verify::problem_of_cuda(*torch), problem);
  if (problem.empty()) return;  // this machine has a GPU and a libtorch for it
  EXPECT_TRUE(problem.find("libtorch_cuda.so") != std::string::npos) << problem;
}

}  // namespace
}  // namespace aether2onnx::operations_test
