/// @file
/// Integer arithmetic that notices overflow, for numbers that come out of a file.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>

namespace aether2onnx {

/// a * b, or nothing where the product doesn't fit. Both must be >= 0.
template <std::integral T>
constexpr std::optional<T> checked_multiply(T a, T b) {
  if (a != 0 && b > std::numeric_limits<T>::max() / a) return std::nullopt;
  return static_cast<T>(a * b);
}

/// a + b, or nothing where the sum doesn't fit. Both must be >= 0.
template <std::integral T>
constexpr std::optional<T> checked_add(T a, T b) {
  if (b > std::numeric_limits<T>::max() - a) return std::nullopt;
  return static_cast<T>(a + b);
}

/// The product of all `sizes` (1 for none), or nothing where one is negative or it doesn't fit.
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
