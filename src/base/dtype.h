/// @file
/// The element types of tensors, and the conversion between floating-point types.
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

/// Returns the number of bytes of one element.
std::size_t size_of(DType dtype) noexcept;

/// Returns PyTorch's name of the type without "torch.", for example "float16".
std::string_view to_string(DType dtype) noexcept;

/// Returns whether weights may have the type `dtype`. The types of weights are float64, float32,
/// float16 and bfloat16.
bool is_weight_dtype(DType dtype) noexcept;

/// Returns whether the integer tensors of a checkpoint may have the type `dtype`. These tensors are
/// counters (num_batches_tracked) and version numbers (model_version). Their types are the signed
/// integers, uint8 and boolean.
bool is_counter_dtype(DType dtype) noexcept;

/// Rounds `value` to IEEE 754 binary16, to nearest with ties to even. Values beyond 65519.99…
/// become infinity. NaN becomes a quiet NaN. Source: IEEE 754-2019, sections 3.4 and 4.3.1.
std::uint16_t to_half_bits(double value) noexcept;

/// Rounds `value` to bfloat16, to nearest with ties to even. Values beyond 3.3961e38 become
/// infinity. NaN becomes a quiet NaN. The range of exponents is the range of binary32, for normal
/// and for subnormal numbers.
std::uint16_t to_bfloat16_bits(double value) noexcept;

/// Returns the exact value of a binary16 number.
float from_half_bits(std::uint16_t bits) noexcept;

/// Returns the exact value of a bfloat16 number, which is the upper half of a binary32 number.
float from_bfloat16_bits(std::uint16_t bits) noexcept;

/// Says how many elements of a tensor were NaN or infinite before a conversion, and how many finite
/// elements became infinite, subnormal or zero.
struct ConversionLoss {
  /// `overflows` counts finite elements that became infinite. `not_finite` counts elements that
  /// were NaN or infinite before the conversion. The members first_… have the index and the value
  /// of the first element that a count includes.
  std::uint64_t overflows = 0;
  std::uint64_t first_overflow_index = 0;
  double first_overflow_value = 0;
  std::uint64_t not_finite = 0;
  std::uint64_t first_not_finite_index = 0;
  /// `subnormal` counts elements that are subnormal after the conversion. `flushed_to_zero` counts
  /// nonzero elements that became 0. Both stay 0 unless the new type has 16 bits.
  std::uint64_t subnormal = 0;
  std::uint64_t flushed_to_zero = 0;
};

/// Appends the elements of `source` to `out` as elements of type `to`. Rounds each element only
/// once, to nearest with ties to even. If the types are equal, copies the elements, and counts the
/// elements that are not finite. Both types must be weight types (is_weight_dtype()). `source` is
/// in native byte order.
ConversionLoss convert_elements(std::span<const std::byte> source, DType from, DType to,
                                std::vector<std::byte>& out);

/// Counts the elements of `source` that are not finite. `dtype` must be a weight type.
ConversionLoss check_elements(std::span<const std::byte> source, DType dtype);

/// Reverses the order of the bytes within each element.
void swap_byte_order(std::span<std::byte> elements, std::size_t element_size);

/// Returns the elements of `source` as float64, without rounding. `from` must be a weight type, and
/// `source` must be in native byte order.
std::vector<double> to_doubles(std::span<const std::byte> source, DType from);

}  // namespace aether2onnx
