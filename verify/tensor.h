/// @file
/// The tensors that are inputs and outputs of the ONNX model and of the reference.
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

/// The type of the ONNX model's inputs and outputs. The reference also takes inputs of this type.
using FloatTensor = TensorOf<float>;
/// The type of the reference's outputs, even if the reference computes in float32.
using DoubleTensor = TensorOf<double>;

inline std::size_t count_elements(const std::vector<std::int64_t>& shape) {
  std::size_t count = 1;
  for (const std::int64_t size : shape) count *= static_cast<std::size_t>(size);
  return count;
}

}  // namespace aether2onnx::verify
