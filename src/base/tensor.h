/// @file
/// Tensor data on its way from the checkpoint to the file that is written, one tensor at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
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

/// Throws Error(precision), naming the weight `name` and its first such element, where `loss` tells
/// of elements that are NaN or infinite, or beyond the range of `to`. `remedy` is the line that
/// says what to do about the latter.
void check_loss(const ConversionLoss& loss, std::string_view name,
                std::span<const std::int64_t> shape, DType to, std::string_view remedy);

}  // namespace aether2onnx
