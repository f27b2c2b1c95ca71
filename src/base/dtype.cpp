#include "base/dtype.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"

// Builds with GCC use F16C, the processor's instructions that convert to float16. Builds with Clang
// do not, because Clang 14 can't test whether the processor has F16C.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define AETHER2ONNX_F16C
#include <immintrin.h>
#endif

namespace aether2onnx {

namespace {

struct Row {
  DType dtype;
  std::size_t size;
  std::string_view name;
};

// The size and name of each type, in the order of the enumerators of DType.
constexpr std::array kRows = {
    Row{DType::float64, 8, "float64"},
    Row{DType::float32, 4, "float32"},
    Row{DType::float16, 2, "float16"},
    Row{DType::bfloat16, 2, "bfloat16"},
    Row{DType::complex64, 8, "complex64"},
    Row{DType::complex128, 16, "complex128"},
    Row{DType::int64, 8, "int64"},
    Row{DType::int32, 4, "int32"},
    Row{DType::int16, 2, "int16"},
    Row{DType::int8, 1, "int8"},
    Row{DType::uint64, 8, "uint64"},
    Row{DType::uint32, 4, "uint32"},
    Row{DType::uint16, 2, "uint16"},
    Row{DType::uint8, 1, "uint8"},
    Row{DType::boolean, 1, "bool"},
    Row{DType::qint32, 4, "qint32"},
    Row{DType::qint8, 1, "qint8"},
    Row{DType::quint8, 1, "quint8"},
    Row{DType::float8_e4m3fn, 1, "float8_e4m3fn"},
    Row{DType::float8_e5m2, 1, "float8_e5m2"},
};
static_assert([] {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<std::size_t>(kRows[i].dtype) != i) return false;
  }
  return true;
}());

const Row& row_of(DType dtype) { return kRows[static_cast<std::size_t>(dtype)]; }

}  // namespace

std::size_t size_of(DType dtype) noexcept { return row_of(dtype).size; }

std::string_view to_string(DType dtype) noexcept { return row_of(dtype).name; }

bool is_counter_dtype(DType dtype) noexcept {
  return dtype == DType::int64 || dtype == DType::int32 || dtype == DType::int16 ||
         dtype == DType::int8 || dtype == DType::uint8 || dtype == DType::boolean;
}

bool is_weight_dtype(DType dtype) noexcept {
  return dtype == DType::float64 || dtype == DType::float32 || dtype == DType::float16 ||
         dtype == DType::bfloat16;
}

namespace {

// The formats float16 and bfloat16. kFractionBits is the number of bits of the fraction.
// kMaxExponent is the exponent of the largest finite numbers.
struct HalfFormat {
  static constexpr unsigned kFractionBits = 10;
  static constexpr int kMaxExponent = 15;
};
struct BFloat16Format {
  static constexpr unsigned kFractionBits = 7;
  static constexpr int kMaxExponent = 127;
};

// A mask of the exponent's bits in a 16-bit number. In infinity and NaN, all these bits are set.
template <typename Format>
constexpr std::uint16_t kExponentMask = (0x7fffU << Format::kFractionBits) & 0x7fffU;

template <typename Format>
std::uint16_t round_to(double value) noexcept {
  constexpr unsigned fraction_bits = Format::kFractionBits;
  constexpr int min_exponent = 1 - Format::kMaxExponent;
  constexpr std::uint16_t infinity = kExponentMask<Format>;
  constexpr std::uint16_t quiet_nan = infinity | (1U << (fraction_bits - 1));

  const auto bits = std::bit_cast<std::uint64_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 48U) & 0x8000U);
  const int biased = static_cast<int>((bits >> 52U) & 0x7ffU);
  const std::uint64_t fraction = bits & 0x000fffffffffffffULL;
  if (biased == 0x7ff)
    return static_cast<std::uint16_t>(sign | (fraction != 0 ? quiet_nan : infinity));
  const int exponent = biased - 1023;
  if (exponent > Format::kMaxExponent) return static_cast<std::uint16_t>(sign | infinity);
  // The value rounds to 0 if its magnitude is below half of the smallest subnormal number of the
  // 16-bit format. All subnormal numbers of float64 are that small, so the code below gets only
  // normal numbers.
  if (exponent < min_exponent - static_cast<int>(fraction_bits) - 1) return sign;

  // A normal number keeps `fraction_bits` bits below its leading 1 bit. A subnormal number keeps
  // fewer bits. `drop` is at most 53, so the shifts of 64-bit integers by `drop` are valid.
  const std::uint64_t significand = fraction | (1ULL << 52U);
  const bool subnormal = exponent < min_exponent;
  const unsigned drop =
      52 - fraction_bits + (subnormal ? static_cast<unsigned>(min_exponent - exponent) : 0U);
  std::uint64_t kept = significand >> drop;
  const std::uint64_t dropped = significand & ((1ULL << drop) - 1);
  const std::uint64_t half = 1ULL << (drop - 1);
  if (dropped > half || (dropped == half && (kept & 1U) != 0)) ++kept;

  // The exponent field of a normal number is exponent - min_exponent + 1. The leading 1 bit of
  // `kept` lies above the fraction, so this bit adds the 1. A carry out of the fraction adds
  // another 1, because the rounded number is then the next power of two.
  const std::uint64_t field =
      subnormal ? kept
                : kept + (static_cast<std::uint64_t>(exponent - min_exponent) << fraction_bits);
  return static_cast<std::uint16_t>(sign | field);
}

}  // namespace

std::uint16_t to_half_bits(double value) noexcept { return round_to<HalfFormat>(value); }

std::uint16_t to_bfloat16_bits(double value) noexcept { return round_to<BFloat16Format>(value); }

float from_half_bits(std::uint16_t bits) noexcept {
  const std::uint32_t sign = (static_cast<std::uint32_t>(bits) & 0x8000U) << 16U;
  const std::uint32_t exponent = (bits >> 10U) & 0x1fU;
  const std::uint32_t fraction = bits & 0x3ffU;
  if (exponent == 0) {
    // A subnormal number is fraction * 2^-24, which is a normal number in float32.
    const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | sign);
  }
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000U | (fraction << 13U));
  return std::bit_cast<float>(sign | ((exponent + 112U) << 23U) | (fraction << 13U));
}

float from_bfloat16_bits(std::uint16_t bits) noexcept {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U);
}

namespace {

template <typename Word>
Word load(const std::byte* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

// One struct for each type that weights may have. A Word holds the bits of one number. value()
// converts a Word to double, narrow() converts a double to a Word.
struct Float64 {
  using Word = std::uint64_t;
  static constexpr Word kExponentMask = 0x7ff0000000000000U;
  static double value(Word word) { return std::bit_cast<double>(word); }
  static Word narrow(double value) { return std::bit_cast<Word>(value); }
};
struct Float32 {
  using Word = std::uint32_t;
  static constexpr Word kExponentMask = 0x7f800000U;
  static double value(Word word) { return std::bit_cast<float>(word); }
  static Word narrow(double value) { return std::bit_cast<Word>(static_cast<float>(value)); }
};
struct Float16 {
  using Word = std::uint16_t;
  static constexpr Word kExponentMask = aether2onnx::kExponentMask<HalfFormat>;
  static double value(Word word) { return from_half_bits(word); }
  static Word narrow(double value) { return to_half_bits(value); }
};
struct BFloat16 {
  using Word = std::uint16_t;
  static constexpr Word kExponentMask = aether2onnx::kExponentMask<BFloat16Format>;
  static double value(Word word) { return from_bfloat16_bits(word); }
  static Word narrow(double value) { return to_bfloat16_bits(value); }
};

template <typename From, typename To>
ConversionLoss convert(std::span<const std::byte> source, std::vector<std::byte>& out) {
  const std::size_t count = source.size() / sizeof(typename From::Word);
  const std::size_t start = out.size();
  out.resize(start + count * sizeof(typename To::Word));
  ConversionLoss loss;
  for (std::size_t i = 0; i < count; ++i) {
    const auto word = load<typename From::Word>(source.data() + i * sizeof(typename From::Word));
    const double value = From::value(word);
    const typename To::Word converted = To::narrow(value);
    std::memcpy(out.data() + start + i * sizeof converted, &converted, sizeof converted);
    if (!std::isfinite(value)) {
      if (loss.not_finite++ == 0) loss.first_not_finite_index = i;
    } else if (!std::isfinite(To::value(converted))) {
      if (loss.overflows++ == 0) {
        loss.first_overflow_index = i;
        loss.first_overflow_value = value;
      }
    } else if constexpr (sizeof converted == 2) {
      const bool tiny = (converted & To::kExponentMask) == 0;
      const bool zero = (converted & 0x7fffU) == 0;
      loss.subnormal += tiny && !zero ? 1U : 0U;
      loss.flushed_to_zero += zero && value != 0 ? 1U : 0U;
    }
  }
  return loss;
}

// Converts the bits of a float32 number to float16, with the same result as round_to(). The
// function has no branches, so that compilers vectorize the loop that calls the function.
std::uint16_t narrowed(std::uint32_t bits, HalfFormat /*format*/) noexcept {
  constexpr std::int32_t smallest_normal = 113 << 23;      // 2^-14
  constexpr std::int32_t rounds_to_infinity = 0x477ff000;  // 65520
  constexpr std::int32_t infinity = 0x7f800000;
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  const auto order = static_cast<std::int32_t>(magnitude);
  // Compared with float32, the exponent's bias of float16 is smaller by 112, and the fraction is 13
  // bits shorter.
  const std::uint32_t normal =
      (magnitude + 0xfffU + ((magnitude >> 13U) & 1U) - (112U << 23U)) >> 13U;
  // In float32, the last bit of a number from 0.5 to 1 is worth 2^-24. The last bit of a subnormal
  // float16 number is also worth 2^-24, so adding 0.5 rounds correctly.
  const std::uint32_t subnormal =
      std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) -
      std::bit_cast<std::uint32_t>(0.5F);
  std::uint32_t result = order < smallest_normal ? subnormal : normal;
  result = order >= rounds_to_infinity ? 0x7c00U : result;
  result = order > infinity ? 0x7e00U : result;
  return static_cast<std::uint16_t>(result | ((bits >> 16U) & 0x8000U));
}

std::uint16_t narrowed(std::uint32_t bits, BFloat16Format /*format*/) noexcept {
  constexpr std::int32_t infinity = 0x7f800000;
  const std::uint32_t rounded = (bits + 0x7fffU + ((bits >> 16U) & 1U)) >> 16U;
  const std::uint32_t quiet_nan = ((bits >> 16U) & 0x8000U) | 0x7fc0U;
  const bool is_nan = static_cast<std::int32_t>(bits & 0x7fffffffU) > infinity;
  return static_cast<std::uint16_t>(is_nan ? quiet_nan : rounded);
}

// The number of elements in a block. The functions below process a tensor in blocks, because a
// block fits into the processor's cache. 32-bit integers can count a block's elements.
constexpr std::size_t kBlock = 4096;
constexpr std::size_t kFloatBytes = 4;
constexpr std::size_t kHalfBytes = 2;

template <typename Format>
void narrow_each(const std::byte* from, std::byte* to, std::size_t length, Format format) {
  for (std::size_t i = 0; i < length; ++i) {
    const std::uint16_t converted = narrowed(load<std::uint32_t>(from + i * kFloatBytes), format);
    std::memcpy(to + i * kHalfBytes, &converted, sizeof converted);
  }
}

#ifdef AETHER2ONNX_F16C
// Converts float32 to float16, eight numbers at a time, with F16C. F16C rounds like narrowed().
[[gnu::target("avx,f16c")]] void narrow_eights(const std::byte* from, std::byte* to,
                                               std::size_t length) {
  constexpr std::size_t width = 8;
  std::size_t i = 0;
  for (; i + width <= length; i += width) {
    const __m256 numbers = _mm256_loadu_ps(reinterpret_cast<const float*>(from + i * kFloatBytes));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i * kHalfBytes),
                     _mm256_cvtps_ph(numbers, _MM_FROUND_TO_NEAREST_INT));
  }
  narrow_each(from + i * kFloatBytes, to + i * kHalfBytes, length - i, HalfFormat{});
}
#endif

void narrow_block(const std::byte* from, std::byte* to, std::size_t length, HalfFormat format) {
#ifdef AETHER2ONNX_F16C
  static const bool able = __builtin_cpu_supports("avx") && __builtin_cpu_supports("f16c");
  if (able) return narrow_eights(from, to, length);
#endif
  narrow_each(from, to, length, format);
}

void narrow_block(const std::byte* from, std::byte* to, std::size_t length, BFloat16Format format) {
  narrow_each(from, to, length, format);
}

// Counts the converted numbers of one block (up to kBlock elements of a tensor). `subnormal` and
// `flushed` count numbers that are subnormal after the conversion, or that became 0.
struct BlockCounts {
  std::uint32_t beyond = 0;  // infinite or NaN in the narrower type
  std::uint32_t subnormal = 0;
  std::uint32_t flushed = 0;
};

template <typename Format>
BlockCounts count_block(const std::byte* from, const std::byte* to, std::size_t length) {
  BlockCounts counts;
  for (std::size_t i = 0; i < length; ++i) {
    const auto word = load<std::uint32_t>(from + i * kFloatBytes);
    const auto converted = load<std::uint16_t>(to + i * kHalfBytes);
    const std::uint32_t exponent = converted & kExponentMask<Format>;
    const std::uint32_t magnitude = converted & 0x7fffU;
    counts.beyond += exponent == kExponentMask<Format> ? 1U : 0U;
    counts.subnormal += exponent == 0 ? 1U : 0U;  // also zeros, which the next line subtracts
    counts.subnormal -= magnitude == 0 ? 1U : 0U;
    counts.flushed += magnitude == 0 ? 1U : 0U;
    counts.flushed -= (word & 0x7fffffffU) == 0 ? 1U : 0U;
  }
  return counts;
}

template <typename Format>
ConversionLoss narrow_float32(std::span<const std::byte> source, std::vector<std::byte>& out) {
  const std::size_t count = source.size() / kFloatBytes;
  const std::size_t start = out.size();
  out.resize(start + count * kHalfBytes);
  ConversionLoss loss;
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    const std::size_t length = std::min(kBlock, count - begin);
    const std::byte* from = source.data() + begin * kFloatBytes;
    std::byte* to = out.data() + start + begin * kHalfBytes;
    narrow_block(from, to, length, Format{});
    const BlockCounts counts = count_block<Format>(from, to, length);
    loss.subnormal += counts.subnormal;
    loss.flushed_to_zero += counts.flushed;
    for (std::size_t i = 0; counts.beyond > 0 && i < length; ++i) {
      const double value = Float32::value(load<std::uint32_t>(from + i * kFloatBytes));
      if (!std::isfinite(value)) {
        if (loss.not_finite++ == 0) loss.first_not_finite_index = begin + i;
        // F16C on different processors gives NaN different bits, so narrowed() converts NaN.
        narrow_each(from + i * kFloatBytes, to + i * kHalfBytes, 1, Format{});
      } else if ((load<std::uint16_t>(to + i * kHalfBytes) & kExponentMask<Format>) ==
                 kExponentMask<Format>) {
        if (loss.overflows++ == 0) {
          loss.first_overflow_index = begin + i;
          loss.first_overflow_value = value;
        }
      }
    }
  }
  return loss;
}

// Counts the numbers in `source` that are not finite. The exponent alone shows whether a number is
// finite.
template <typename Type>
ConversionLoss check(std::span<const std::byte> source) {
  using Word = typename Type::Word;
  ConversionLoss loss;
  const std::size_t count = source.size() / sizeof(Word);
  const auto not_finite = [&](std::size_t i) {
    const auto word = load<Word>(source.data() + i * sizeof(Word));
    return (word & Type::kExponentMask) == Type::kExponentMask;
  };
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    const std::size_t end = std::min(begin + kBlock, count);
    Word found = 0;
    for (std::size_t i = begin; i < end; ++i) found |= not_finite(i) ? Word{1} : Word{0};
    for (std::size_t i = begin; found != 0 && i < end; ++i) {
      if (not_finite(i) && loss.not_finite++ == 0) loss.first_not_finite_index = i;
    }
  }
  return loss;
}

template <typename From, typename To>
ConversionLoss convert_or_copy(std::span<const std::byte> source, std::vector<std::byte>& out) {
  if constexpr (std::is_same_v<From, To>) {
    out.insert(out.end(), source.begin(), source.end());
    return check<From>(source);
  } else if constexpr (std::is_same_v<From, Float32> && std::is_same_v<To, Float16>) {
    return narrow_float32<HalfFormat>(source, out);
  } else if constexpr (std::is_same_v<From, Float32> && std::is_same_v<To, BFloat16>) {
    return narrow_float32<BFloat16Format>(source, out);
  } else {
    return convert<From, To>(source, out);
  }
}

// Returns visit(S{}), where S is the struct (Float64, Float32, …) of `dtype`. Requires a type that
// weights may have.
template <typename Visit>
auto visit_type(DType dtype, Visit visit) {
  switch (dtype) {
    case DType::float64:
      return visit(Float64{});
    case DType::float32:
      return visit(Float32{});
    case DType::float16:
      return visit(Float16{});
    case DType::bfloat16:
      return visit(BFloat16{});
    default: {
      defect("a calculation got a type that weights cannot have");
    }
  }
}

template <typename From>
std::vector<double> values_of(std::span<const std::byte> source) {
  std::vector<double> values(source.size() / sizeof(typename From::Word));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] =
        From::value(load<typename From::Word>(source.data() + i * sizeof(typename From::Word)));
  }
  return values;
}

}  // namespace

void swap_byte_order(std::span<std::byte> elements, std::size_t element_size) {
  for (std::size_t at = 0; at + element_size <= elements.size(); at += element_size) {
    const auto element = elements.subspan(at, element_size);
    std::reverse(element.begin(), element.end());
  }
}

ConversionLoss convert_elements(std::span<const std::byte> source, DType from, DType to,
                                std::vector<std::byte>& out) {
  return visit_type(from, [&](auto from_type) {
    return visit_type(to, [&](auto to_type) {
      return convert_or_copy<decltype(from_type), decltype(to_type)>(source, out);
    });
  });
}

ConversionLoss check_elements(std::span<const std::byte> source, DType dtype) {
  return visit_type(dtype, [&](auto type) { return check<decltype(type)>(source); });
}

std::vector<double> to_doubles(std::span<const std::byte> source, DType from) {
  return visit_type(from, [&](auto type) { return values_of<decltype(type)>(source); });
}

}  // namespace aether2onnx
