/// @file
/// Tensors that go into and come out of the two implementations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace aether2onnx::verify {

/// A tensor with its elements in row-major order.
template <typename T>
struct TensorOf {
  std::vector<std::int64_t> shape;
  std::vector<T> values;
};

/// The type of the input and of the candidate's output.
using FloatTensor = TensorOf<float>;
/// The type of the reference's output, in whichever precision the reference computes.
using DoubleTensor = TensorOf<double>;

inline std::size_t count_elements(const std::vector<std::int64_t>& shape) {
  std::size_t count = 1;
  for (const std::int64_t size : shape) count *= static_cast<std::size_t>(size);
  return count;
}

}  // namespace aether2onnx::verify
