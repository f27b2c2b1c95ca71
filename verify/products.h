/// @file
/// The sums of products that a comparison waits for. Only plain_operations.cpp, which is compiled
/// with more optimization than other files, includes this header.
#pragma once

#include <array>
#include <cstddef>

namespace aether2onnx::verify {

// Terms of one step of a sum. They keep their weights and sums in registers.
constexpr std::size_t kTerms = 4;

// Adds to each of two sums, for `count` neighbouring pixels, four inputs times their weights.
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

template <typename T>
A2O_INLINE void add_pair(const Step<T>* steps, std::size_t step_count, T* __restrict first,
                         T* __restrict second, std::size_t count) {
  for (std::size_t s = 0; s < step_count; ++s) {
    const Step<T>& step = steps[s];
    const T* const a = step.inputs[0];
    const T* const b = step.inputs[1];
    const T* const c = step.inputs[2];
    const T* const d = step.inputs[3];
    const auto [a1, b1, c1, d1] = step.first;
    const auto [a2, b2, c2, d2] = step.second;
    for (std::size_t i = 0; i < count; ++i) {
      first[i] += (a1 * a[i] + b1 * b[i]) + (c1 * c[i] + d1 * d[i]);
      second[i] += (a2 * a[i] + b2 * b[i]) + (c2 * c[i] + d2 * d[i]);
    }
  }
}

template <typename T>
A2O_INLINE void add_single(const Step<T>* steps, std::size_t step_count, T* __restrict sum,
                           std::size_t count) {
  for (std::size_t s = 0; s < step_count; ++s) {
    const Step<T>& step = steps[s];
    const T* const a = step.inputs[0];
    const T* const b = step.inputs[1];
    const T* const c = step.inputs[2];
    const T* const d = step.inputs[3];
    const auto [a1, b1, c1, d1] = step.first;
    for (std::size_t i = 0; i < count; ++i) {
      sum[i] += (a1 * a[i] + b1 * b[i]) + (c1 * c[i] + d1 * d[i]);
    }
  }
}

// `second` is null for a depthwise convolution.
template <typename T>
using AddProducts = void (*)(const Step<T>* steps, std::size_t step_count, T* first, T* second,
                             std::size_t count);

template <typename T>
A2O_INLINE void add_products_body(const Step<T>* steps, std::size_t step_count, T* first, T* second,
                                  std::size_t count) {
  if (second == nullptr) {
    add_single(steps, step_count, first, count);
  } else {
    add_pair(steps, step_count, first, second, count);
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
