/// @file
/// The tensor operations of the reference as plain loops, without any library.
#pragma once

#include <memory>

#include "operations.h"

namespace aether2onnx::verify {

/// The number type in which the operations compute.
enum class Arithmetic {
  float64,
  float32,
  /// float16 and bfloat16: computes in float32, and rounds every weight, input and result to 16
  /// bits. Normalizations and activations round each step, as if the step were an operator of its
  /// own. Values beyond the range of float16 stay finite, so that the errors come from the shorter
  /// mantissa alone.
  float16,
  bfloat16,
};

std::unique_ptr<Operations> plain_operations(Arithmetic arithmetic);

}  // namespace aether2onnx::verify
