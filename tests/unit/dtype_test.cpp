#include "base/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

namespace aether2onnx::dtype_test {
namespace {

template <typename T>
std::vector<std::byte> raw(const std::vector<T>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

template <typename T>
std::vector<T> typed(const std::vector<std::byte>& bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

// The value of a half by the definition of the format, without any bit tricks.
double half_by_definition(unsigned bits) {
  const double sign = (bits & 0x8000U) != 0 ? -1 : 1;
  const int exponent = static_cast<int>((bits >> 10U) & 0x1fU);
  const int fraction = static_cast<int>(bits & 0x3ffU);
  if (exponent == 31) {
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity()
                         : std::numeric_limits<double>::quiet_NaN();
  }
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

TEST(Half, EveryHalfHasItsValueAndComesBack) {
  for (unsigned bits = 0; bits <= 0xffff; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const double expected = half_by_definition(bits);
    const double value = from_half_bits(half);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(value)) << bits;
      EXPECT_TRUE(std::isnan(from_half_bits(to_half_bits(value)))) << bits;
    } else {
      EXPECT_EQ(value, expected) << bits;
      EXPECT_EQ(to_half_bits(expected), half) << bits;
    }
  }
}

TEST(Half, RoundsToNearestWithTiesToEven) {
  // Between each pair of neighbours: just below the middle, the middle, just above.
  for (unsigned bits = 0; bits < 0x7bff; ++bits) {
    const double low = half_by_definition(bits);
    const double high = half_by_definition(bits + 1);
    const double middle = (low + high) / 2;
    const auto even = static_cast<std::uint16_t>(bits % 2 == 0 ? bits : bits + 1);
    ASSERT_EQ(to_half_bits(std::nextafter(middle, 0.0)), bits);
    ASSERT_EQ(to_half_bits(middle), even);
    ASSERT_EQ(to_half_bits(std::nextafter(middle, 1e9)), bits + 1);
    ASSERT_EQ(to_half_bits(-middle), even | 0x8000U);
  }
}

TEST(Half, EndsOfTheRange) {
  EXPECT_EQ(to_half_bits(65504), 0x7bff);
  EXPECT_EQ(to_half_bits(std::nextafter(65520.0, 0.0)), 0x7bff);
  EXPECT_EQ(to_half_bits(65520), 0x7c00);
  EXPECT_EQ(to_half_bits(-1e300), 0xfc00);
  EXPECT_EQ(to_half_bits(0x1p-24), 0x0001);
  EXPECT_EQ(to_half_bits(0x1p-25), 0x0000);
  EXPECT_EQ(to_half_bits(std::nextafter(0x1p-25, 1.0)), 0x0001);
  EXPECT_EQ(to_half_bits(0x1p-26), 0x0000);
  EXPECT_EQ(to_half_bits(5e-324), 0x0000);
  EXPECT_EQ(to_half_bits(-0.0), 0x8000);
}

TEST(BFloat16, IsTheUpperHalfOfAFloat) {
  EXPECT_EQ(from_bfloat16_bits(0x3f80), 1.0F);
  EXPECT_EQ(from_bfloat16_bits(0xc049), -3.140625F);
  EXPECT_TRUE(std::isinf(from_bfloat16_bits(0x7f80)));
}

TEST(BFloat16, EveryOneComesBack) {
  for (unsigned bits = 0; bits <= 0xffff; ++bits) {
    const double value = from_bfloat16_bits(static_cast<std::uint16_t>(bits));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(from_bfloat16_bits(to_bfloat16_bits(value)))) << bits;
    } else {
      EXPECT_EQ(to_bfloat16_bits(value), bits);
    }
  }
}

TEST(BFloat16, RoundsToNearestWithTiesToEven) {
  for (unsigned bits = 0; bits < 0x7f7f; ++bits) {
    const double low = from_bfloat16_bits(static_cast<std::uint16_t>(bits));
    const double high = from_bfloat16_bits(static_cast<std::uint16_t>(bits + 1));
    const double middle = (low + high) / 2;
    const auto even = static_cast<std::uint16_t>(bits % 2 == 0 ? bits : bits + 1);
    ASSERT_EQ(to_bfloat16_bits(std::nextafter(middle, 0.0)), bits);
    ASSERT_EQ(to_bfloat16_bits(middle), even);
    ASSERT_EQ(to_bfloat16_bits(std::nextafter(middle, 1e300)), bits + 1);
    ASSERT_EQ(to_bfloat16_bits(-middle), even | 0x8000U);
  }
}

TEST(BFloat16, EndsOfTheRange) {
  const double largest = from_bfloat16_bits(0x7f7f);
  const double beyond = 0x1.ffp127;  // in the middle of the largest and what would follow it
  EXPECT_EQ(to_bfloat16_bits(std::nextafter(beyond, 0.0)), 0x7f7f);
  EXPECT_EQ(to_bfloat16_bits(beyond), 0x7f80);
  EXPECT_EQ(to_bfloat16_bits(-1e300), 0xff80);
  EXPECT_EQ(to_bfloat16_bits(largest), 0x7f7f);
  EXPECT_EQ(to_bfloat16_bits(0x1p-133), 0x0001);
  EXPECT_EQ(to_bfloat16_bits(0x1p-134), 0x0000);
  EXPECT_EQ(to_bfloat16_bits(std::nextafter(0x1p-134, 1.0)), 0x0001);
  EXPECT_EQ(to_bfloat16_bits(5e-324), 0x0000);
  EXPECT_EQ(to_bfloat16_bits(-0.0), 0x8000);
}

TEST(ConvertElements, ToEveryWeightType) {
  const std::vector<double> values = {1.0000001, -2.5, 3e4};
  const auto source = raw(values);
  std::vector<std::byte> out;
  convert_elements(source, DType::float64, DType::float64, out);
  EXPECT_EQ(typed<double>(out), values);
  out.clear();
  convert_elements(source, DType::float64, DType::float32, out);
  EXPECT_EQ(typed<float>(out), (std::vector<float>{1.0000001F, -2.5F, 3e4F}));
  const auto floats = out;
  out.clear();
  convert_elements(floats, DType::float32, DType::float64, out);
  EXPECT_EQ(typed<double>(out).at(0), static_cast<double>(1.0000001F));
  out.clear();
  convert_elements(floats, DType::float32, DType::bfloat16, out);
  EXPECT_EQ(typed<std::uint16_t>(out), (std::vector<std::uint16_t>{0x3f80, 0xc020, 0x46ea}));
  const auto bfloats = out;
  out.clear();
  convert_elements(bfloats, DType::bfloat16, DType::float16, out);
  EXPECT_EQ(typed<std::uint16_t>(out), (std::vector<std::uint16_t>{0x3c00, 0xc100, 0x7750}));
  out.clear();
  convert_elements(bfloats, DType::bfloat16, DType::bfloat16, out);
  EXPECT_EQ(out, bfloats);
}

TEST(ConvertElements, CountsWhatBFloat16CannotHold) {
  const std::vector<double> values = {1, 3.4e38, 1e300, 1e-39, 1e-45, 0, -1e-100};
  std::vector<std::byte> out;
  const ConversionLoss loss = convert_elements(raw(values), DType::float64, DType::bfloat16, out);
  EXPECT_EQ(loss.overflows, 2U);
  EXPECT_EQ(loss.first_overflow_index, 1U);
  EXPECT_EQ(loss.subnormal, 1U);
  EXPECT_EQ(loss.flushed_to_zero, 2U);
}

TEST(ConvertElements, WidensExactly) {
  std::vector<std::uint16_t> halves(0x7c00);
  std::iota(halves.begin(), halves.end(), 0);
  std::vector<std::byte> out;
  const ConversionLoss loss = convert_elements(raw(halves), DType::float16, DType::float32, out);
  const auto floats = typed<float>(out);
  ASSERT_EQ(floats.size(), halves.size());
  for (std::size_t i = 0; i < halves.size(); ++i) {
    ASSERT_EQ(floats[i], half_by_definition(halves[i]));
  }
  EXPECT_EQ(loss.overflows + loss.not_finite + loss.subnormal + loss.flushed_to_zero, 0U);
}

TEST(ConvertElements, CountsWhatHalfCannotHold) {
  const std::vector<float> values = {1.0F, 70000.0F, -1e20F, 1e-6F, 1e-9F, 0.0F, -1e-9F, 65504.0F};
  std::vector<std::byte> out;
  const ConversionLoss loss = convert_elements(raw(values), DType::float32, DType::float16, out);
  EXPECT_EQ(loss.overflows, 2U);
  EXPECT_EQ(loss.first_overflow_index, 1U);
  EXPECT_EQ(loss.first_overflow_value, 70000.0);
  EXPECT_EQ(loss.subnormal, 1U);
  EXPECT_EQ(loss.flushed_to_zero, 2U);
  EXPECT_EQ(loss.not_finite, 0U);
}

TEST(ConvertElements, FindsNanAndInfinityEvenWhenCopying) {
  const std::vector<float> values = {1, 2, std::numeric_limits<float>::quiet_NaN(),
                                     -std::numeric_limits<float>::infinity()};
  for (const DType to : {DType::float32, DType::float16}) {
    std::vector<std::byte> out;
    const ConversionLoss loss = convert_elements(raw(values), DType::float32, to, out);
    EXPECT_EQ(loss.not_finite, 2U);
    EXPECT_EQ(loss.first_not_finite_index, 2U);
    EXPECT_EQ(loss.overflows, 0U);
  }
  const std::vector<std::uint16_t> halves = {0x3c00, 0x7c01};
  std::vector<std::byte> out;
  EXPECT_EQ(convert_elements(raw(halves), DType::float16, DType::float16, out).not_finite, 1U);
}

TEST(ConvertElements, RoundsADoubleOnce) {
  // Rounded to float first, the value would sit in the middle of two halves and go to the even one.
  const double just_above = 1 + 0x1p-11 + 0x1p-40;
  std::vector<std::byte> out;
  convert_elements(raw(std::vector<double>{just_above}), DType::float64, DType::float16, out);
  EXPECT_EQ(typed<std::uint16_t>(out).at(0), 0x3c01);
}

TEST(ConvertElements, DoubleBeyondFloat) {
  std::vector<std::byte> out;
  const ConversionLoss loss =
      convert_elements(raw(std::vector<double>{1e39}), DType::float64, DType::float32, out);
  EXPECT_EQ(loss.overflows, 1U);
}

TEST(ConvertElements, AppendsToWhatIsThere) {
  std::vector<std::byte> out = {std::byte{7}};
  convert_elements(raw(std::vector<float>{1.5F}), DType::float32, DType::float32, out);
  ASSERT_EQ(out.size(), 5U);
  EXPECT_EQ(out[0], std::byte{7});
}

// float32 takes a way of its own to the types of 16 bits: it must agree with that of single values,
// in every exponent and at every border of rounding.
TEST(ConvertElements, EveryKindOfFloat32RoundsAsSingleValuesDo) {
  std::vector<float> values;
  for (std::uint32_t high = 0; high < 0x10000U; ++high) {
    for (const std::uint32_t low : {0U, 1U, 0xfffU, 0x1000U, 0x1001U, 0x7fffU, 0x8000U, 0x8001U}) {
      values.push_back(std::bit_cast<float>((high << 16U) | low));
    }
  }
  for (const DType to : {DType::float16, DType::bfloat16}) {
    std::vector<std::byte> out;
    const ConversionLoss loss = convert_elements(raw(values), DType::float32, to, out);
    ConversionLoss expected;
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double value = values[i];
      std::uint16_t got = 0;
      std::memcpy(&got, out.data() + 2 * i, 2);
      const bool half = to == DType::float16;
      const std::uint16_t single = half ? to_half_bits(value) : to_bfloat16_bits(value);
      const double back = half ? from_half_bits(got) : from_bfloat16_bits(got);
      wrong += got == single ? 0U : 1U;
      if (!std::isfinite(value)) {
        ++expected.not_finite;
      } else if (!std::isfinite(back)) {
        ++expected.overflows;
      } else {
        const double smallest_normal = half ? 0x1p-14 : 0x1p-126;
        expected.subnormal += back != 0 && std::abs(back) < smallest_normal ? 1U : 0U;
        expected.flushed_to_zero += back == 0 && value != 0 ? 1U : 0U;
      }
    }
    EXPECT_EQ(wrong, 0U);
    // Seven are too few for what processors do eight of at a time.
    std::vector<std::byte> in_sevens;
    const std::vector<std::byte> source = raw(values);
    constexpr std::size_t seven = 7 * sizeof(float);
    for (std::size_t at = 0; at < source.size(); at += seven) {
      const std::size_t length = std::min(seven, source.size() - at);
      convert_elements(std::span(source).subspan(at, length), DType::float32, to, in_sevens);
    }
    EXPECT_TRUE(in_sevens == out);
    EXPECT_EQ(loss.not_finite, expected.not_finite);
    EXPECT_EQ(loss.overflows, expected.overflows);
    EXPECT_EQ(loss.subnormal, expected.subnormal);
    EXPECT_EQ(loss.flushed_to_zero, expected.flushed_to_zero);
    EXPECT_EQ(values[loss.first_not_finite_index], std::numeric_limits<float>::infinity());
  }
}

TEST(ToDoubles, AllWeightTypes) {
  EXPECT_EQ(to_doubles(raw(std::vector<double>{0.1}), DType::float64).at(0), 0.1);
  EXPECT_EQ(to_doubles(raw(std::vector<float>{0.1F}), DType::float32).at(0),
            static_cast<double>(0.1F));
  EXPECT_EQ(to_doubles(raw(std::vector<std::uint16_t>{0x3c00}), DType::float16).at(0), 1.0);
  EXPECT_EQ(to_doubles(raw(std::vector<std::uint16_t>{0x3f80}), DType::bfloat16).at(0), 1.0);
}

}  // namespace
}  // namespace aether2onnx::dtype_test
