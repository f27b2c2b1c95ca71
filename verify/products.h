/// @file
/// Computes the sums of products in a convolution. Verification spends most of its time on these
/// sums. Therefore only plain_operations.cpp, which is compiled with more optimization than other
/// files, includes this header.
#pragma once

#include <array>
#include <cstddef>

namespace aether2onnx::verify {

// The number of products that one Step of a convolution adds to a sum. With so few products, all
// weights and sums of a Step fit into the processor's registers.
constexpr std::size_t kTerms = 4;

// A step of a convolution adds kTerms products to each of two sums, for two output channels. Both
// sums use the same inputs, but different weights.
template <typename T>
struct Step {
  std::array<const T*, kTerms> inputs{};
  std::array<T, kTerms> first{};   // weights for the first sum
  std::array<T, kTerms> second{};  // weights for the second sum
};

#if defined(__GNUC__)
#define A2O_INLINE inline __attribute__((always_inline))
#else
#define A2O_INLINE inline
#endif

template <bool two_sums, typename T>
A2O_INLINE void add_steps(const Step<T>* steps, std::size_t step_count, T* __restrict first,
                          [[maybe_unused]] T* __restrict second, std::size_t count) {
  for (std::size_t s = 0; s < step_count; ++s) {
    const auto [a, b, c, d] = steps[s].inputs;
    const auto [a1, b1, c1, d1] = steps[s].first;
    [[maybe_unused]] const auto [a2, b2, c2, d2] = steps[s].second;
    for (std::size_t i = 0; i < count; ++i) {
      first[i] += (a1 * a[i] + b1 * b[i]) + (c1 * c[i] + d1 * d[i]);
      if constexpr (two_sums) second[i] += (a2 * a[i] + b2 * b[i]) + (c2 * c[i] + d2 * d[i]);
    }
  }
}

// A function that adds the products of `step_count` steps (see Step) to the sums of `count`
// neighbouring output pixels. `second` is null if there is only one sum, as in a depthwise
// convolution.
template <typename T>
using AddProducts = void (*)(const Step<T>* steps, std::size_t step_count, T* first, T* second,
                             std::size_t count);

template <typename T>
A2O_INLINE void add_products_body(const Step<T>* steps, std::size_t step_count, T* first, T* second,
                                  std::size_t count) {
  if (second == nullptr) {
    add_steps<false>(steps, step_count, first, second, count);
  } else {
    add_steps<true>(steps, step_count, first, second, count);
  }
}

template <typename T>
void add_products_everywhere(const Step<T>* steps, std::size_t step_count, T* first, T* second,
                             std::size_t count) {
  add_products_body(steps, step_count, first, second, count);
}

#if defined(__GNUC__) && defined(__x86_64__)
template <typename T>
__attribute__((target("avx2,fma"))) void add_products_avx2(const Step<T>* steps,
                                                           std::size_t step_count, T* first,
                                                           T* second, std::size_t count) {
  add_products_body(steps, step_count, first, second, count);
}
#endif

template <typename T>
AddProducts<T> fastest_add_products() {
#if defined(__GNUC__) && defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return add_products_avx2<T>;
#endif
  return add_products_everywhere<T>;
}

}  // namespace aether2onnx::verify
