/// @file
/// Tensor data on its way from the checkpoint to the ONNX file, one tensor at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/dtype.h"

namespace aether2onnx {

/// The elements of one tensor: row-major, native byte order.
struct TensorData {
  DType dtype = DType::float32;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> bytes;
};

/// Reads or computes one tensor each time it is called; may throw Error. What a graph holds in
/// place of its weights, so that only one of them is in memory at any time.
using TensorLoader = std::function<TensorData()>;

}  // namespace aether2onnx
