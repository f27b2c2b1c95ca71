/// @file
/// The operations of the reference as loops that follow their definitions. They need no library.
#pragma once

#include <memory>

#include "operations.h"

namespace aether2onnx::verify {

/// The type in which an implementation of the operations computes.
enum class Arithmetic {
  float64,
  float32,
  /// float32, with every weight, input and result rounded to 16 bits. Normalizations and
  /// activations are computed in the steps of their decomposed operators, each of which is rounded.
  /// The exponents keep the range of float32: this shows how coarse 16 bits are, not how short
  /// their range is.
  float16,
  bfloat16,
};

std::unique_ptr<Operations> plain_operations(Arithmetic arithmetic);

}  // namespace aether2onnx::verify
