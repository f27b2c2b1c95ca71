/// @file
/// Element types of tensors, and conversion between the floating-point ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace aether2onnx {

/// Element types, named as PyTorch names them.
enum class DType : std::uint8_t {
  float64,
  float32,
  float16,
  bfloat16,
  complex64,
  complex128,
  int64,
  int32,
  int16,
  int8,
  uint64,
  uint32,
  uint16,
  uint8,
  boolean,
  qint32,
  qint8,
  quint8,
  float8_e4m3fn,
  float8_e5m2,
};

/// Bytes of one element.
std::size_t size_of(DType dtype) noexcept;

/// PyTorch's name without "torch.", for example "float16".
std::string_view to_string(DType dtype) noexcept;

/// Whether the type is one that weights may have: float64, float32, float16 or bfloat16.
bool is_weight_dtype(DType dtype) noexcept;

/// Whether the type is one that counters and version numbers may have: signed integers, uint8 or
/// boolean.
bool is_counter_dtype(DType dtype) noexcept;

/// Rounds to IEEE 754 binary16, to nearest with ties to even; beyond 65519.99… gives infinity.
/// NaN stays NaN (quiet). Source: IEEE 754-2019, sections 3.4 and 4.3.1.
std::uint16_t to_half_bits(double value) noexcept;

/// Rounds to bfloat16, to nearest with ties to even; beyond 3.3961e38 gives infinity. NaN stays NaN
/// (quiet). Its exponent is binary32's, so it has binary32's range and subnormals.
std::uint16_t to_bfloat16_bits(double value) noexcept;

/// The value of a binary16 number; exact.
float from_half_bits(std::uint16_t bits) noexcept;

/// The value of a bfloat16 number, the upper half of a binary32 one; exact.
float from_bfloat16_bits(std::uint16_t bits) noexcept;

/// What became of the values in convert_elements(), or what check_elements() sees.
struct ConversionLoss {
  /// Finite values that have no finite counterpart, and NaN or infinite ones. The first of each is
  /// remembered: index and value.
  std::uint64_t overflows = 0;
  std::uint64_t first_overflow_index = 0;
  double first_overflow_value = 0;
  std::uint64_t not_finite = 0;
  std::uint64_t first_not_finite_index = 0;
  /// Counted for the types of 16 bits: values that are subnormal (but not zero) after the
  /// conversion and were of another type before; and values that weren't zero and are now.
  std::uint64_t subnormal = 0;
  std::uint64_t flushed_to_zero = 0;
};

/// Appends the elements of `source`, `from` in native byte order, to `out` as elements of type
/// `to`, rounded once, to nearest with ties to even. Both are weight types. The same type is
/// copied; the values are looked at all the same.
ConversionLoss convert_elements(std::span<const std::byte> source, DType from, DType to,
                                std::vector<std::byte>& out);

/// As convert_elements() of a type to itself, but without the copy: counts what isn't finite.
/// `dtype` as there.
ConversionLoss check_elements(std::span<const std::byte> source, DType dtype);

/// Turns the bytes of each element around, from one byte order to the other.
void swap_byte_order(std::span<std::byte> elements, std::size_t element_size);

/// The elements of `source`, a weight type in native byte order, as float64; exact.
std::vector<double> to_doubles(std::span<const std::byte> source, DType from);

}  // namespace aether2onnx
