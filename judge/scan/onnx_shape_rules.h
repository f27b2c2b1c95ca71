/// @file
/// Functions that compute the output shapes of Conv, MatMul, Resize and other operators for layers,
/// and helpers for these functions. onnx_shapes.cpp uses the helpers, too. Private to this folder.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "judge/scan/onnx_values.h"

namespace aether2onnx::judge::scan {

/// The largest size of an axis. A shape with a larger size counts as unknown, because integers
/// beyond this limit may not be exact in float64.
inline constexpr std::int64_t kLargest = std::int64_t{1} << 53U;

inline bool is_size(std::int64_t size) { return size >= 0 && size <= kLargest; }

/// Converts numbers to integers. Numbers beyond `kLargest` become `kLargest`, because Slice uses
/// the largest integer for "until the end".
template <typename Number>
Dims clamped(const std::vector<Number>& numbers) {
  Dims result;
  for (const Number number : numbers) {
    constexpr auto limit = static_cast<Number>(kLargest);
    result.push_back(static_cast<std::int64_t>(std::clamp(number, -limit, limit)));
  }
  return result;
}

/// A list that is an attribute in early versions of an operator, and an input in later versions.
struct List {
  bool is_given = false;
  Shape values = {};
};
List list_of(const Operation& operation, std::string_view name, std::size_t input);

/// Returns, for each axis of a shape with `rank` axes, whether the list `axes` has this axis.
/// Returns nullopt if the list has an axis twice, or an axis that the shape does not have.
std::optional<std::vector<bool>> marked(const Dims& axes, std::size_t rank);

/// Returns the shape that numpy's broadcasting gives; nullopt if the shapes do not fit.
Shape broadcast(const Dims& a, const Dims& b);

/// Each of these functions returns the shape of an operator's first output; nullopt if unknown.
Shape as_first(const Operation& operation);
Shape conv(const Operation& operation);
Shape pool(const Operation& operation);
Shape conv_transpose(const Operation& operation);
Shape global_pool(const Operation& operation);
Shape matmul(const Operation& operation);
Shape einsum(const Operation& operation);
Shape gemm(const Operation& operation);
Shape resize(const Operation& operation);
Shape reduce(const Operation& operation);
Shape arg_max(const Operation& operation);
Shape shuffle(const Operation& operation);
Shape grid_sample(const Operation& operation);

}  // namespace aether2onnx::judge::scan
