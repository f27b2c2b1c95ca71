/// @file
/// Implements the tensor operations as plain loops, without any library. The reference
/// (reference.h) uses these operations to compute the network's output from the checkpoint.
/// Verification compares this output with the output of the ONNX model.
#pragma once

#include <memory>

#include "operations.h"

namespace aether2onnx::verify {

/// The number type in which the operations compute.
enum class Arithmetic {
  float64,
  float32,
  /// For float16 and bfloat16, the operations compute in float32, and round every weight, input and
  /// result to 16 bits. Normalizations and activations also round their intermediate results, as if
  /// each step were an operator of its own. Values beyond the range of float16 stay finite, because
  /// these operations only measure the rounding errors of the shorter mantissa.
  float16,
  bfloat16,
};

std::unique_ptr<Operations> plain_operations(Arithmetic arithmetic);

}  // namespace aether2onnx::verify
