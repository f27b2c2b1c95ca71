/// @file
/// Integer arithmetic that detects overflow. Readers use these functions for numbers from an input
/// file, because an attacker can choose the numbers.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>

namespace aether2onnx {

/// Returns a * b, or nullopt if the product overflows. Requires a >= 0 and b >= 0.
template <std::integral T>
constexpr std::optional<T> checked_multiply(T a, T b) {
  if (a != 0 && b > std::numeric_limits<T>::max() / a) return std::nullopt;
  return static_cast<T>(a * b);
}

/// Returns a + b, or nullopt if the sum overflows. Requires a >= 0 and b >= 0.
template <std::integral T>
constexpr std::optional<T> checked_add(T a, T b) {
  if (b > std::numeric_limits<T>::max() - a) return std::nullopt;
  return static_cast<T>(a + b);
}

/// Returns the product of all `sizes`, 1 for an empty list. Returns nullopt if a size is negative
/// or the product overflows.
constexpr std::optional<std::int64_t> checked_product(std::span<const std::int64_t> sizes) {
  std::int64_t product = 1;
  bool zero = false;
  bool overflow = false;
  for (const std::int64_t size : sizes) {
    if (size < 0) return std::nullopt;
    if (size == 0) {
      zero = true;
    } else if (const auto next = checked_multiply(product, size)) {
      product = *next;
    } else {
      overflow = true;
    }
  }
  if (zero) return 0;
  if (overflow) return std::nullopt;
  return product;
}

}  // namespace aether2onnx
