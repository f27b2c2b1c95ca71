/// @file
/// Computes minimum, maximum and mean of a tensor's elements, and counts NaN and infinities.
#pragma once

#include <aether2onnx/inspect.h>

#include "base/tensor.h"

namespace aether2onnx {

/// Fills in the statistics of `tensor` from `data`. For types without an order (complex,
/// quantized), fills in `problem` instead.
void measure(const TensorData& data, InspectedTensor& tensor);

}  // namespace aether2onnx
