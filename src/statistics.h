/// @file
/// Computes minimum, maximum and mean of a tensor's finite elements, and counts NaN and infinities.
#pragma once

#include <aether2onnx/inspect.h>

#include "base/tensor.h"

namespace aether2onnx {

/// Computes the statistics of the elements in `data`, and stores the statistics in `tensor`. For a
/// complex or quantized type, stores only a text in `tensor.problem`, because complex numbers have
/// no order, and quantized numbers mean nothing without their scales.
void measure(const TensorData& data, InspectedTensor& tensor);

}  // namespace aether2onnx
