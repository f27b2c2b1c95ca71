/// @file
/// Types for one tensor in memory. A reader or a transformation of weights fills the tensor, and a
/// writer puts the elements into the new file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "base/dtype.h"

namespace aether2onnx {

/// The elements of one tensor, row-major and in native byte order.
struct TensorData {
  DType dtype = DType::float32;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> bytes;
};

/// A function that reads or computes one tensor at each call, and may throw Error. A graph holds
/// loaders instead of weights, so that only one weight is in memory at any time.
using TensorLoader = std::function<TensorData()>;

/// Throws Error(precision) if `loss` counts elements that are NaN or infinite, or elements beyond
/// the range of `to`. The message names the weight and the first of these elements. `remedy` is the
/// line of the message with advice about elements beyond the range.
void check_loss(const ConversionLoss& loss, std::string_view name,
                std::span<const std::int64_t> shape, DType to, std::string_view remedy);

}  // namespace aether2onnx
