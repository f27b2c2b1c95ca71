/// @file
/// Stage "checkpoint": named weights written as a file that PyTorch loads.
///
/// Owns the writing of PyTorch's zip container and of safetensors. Knows nothing of what the
/// tensors are for. The file is streamed: one tensor is in memory at a time.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/tensor.h"

namespace aether2onnx::checkpoint {

/// A tensor of the file.
struct Tensor {
  std::string name;  ///< Valid UTF-8; no two are the same.
  std::vector<std::int64_t> shape;
  DType dtype = DType::float32;  ///< In the file; a weight type, or one of integers.
  /// Gives the elements: of any weight type, converted when they are written; or of the same type
  /// of integers.
  TensorLoader load;
};

/// What the file holds.
struct Content {
  std::vector<Tensor> tensors;
  /// What the tensors don't say, by names of letters and underscores: part of the metadata when the
  /// file is read. What the weights were "fused_from", for example.
  std::vector<std::pair<std::string, std::string>> notes;
};

/// What write() did.
struct Written {
  std::uint64_t bytes = 0;
  std::uint64_t weights_subnormal = 0;
  std::uint64_t weights_flushed_to_zero = 0;
};

/// Writes the file. `progress` is told the bytes of tensors written and their total.
///
/// Throws Error(precision) where an element is NaN, infinite or beyond the range of its type in the
/// file, naming the tensor.
Written write(const Content& content, CheckpointFormat format, Output& output,
              const std::function<void(std::uint64_t, std::uint64_t)>& progress);

}  // namespace aether2onnx::checkpoint
