/// @file
/// The operations of the reference as loops that follow their definitions, without any library.
#pragma once

#include <memory>

#include "operations.h"

namespace aether2onnx::verify {

/// The type in which an implementation of the operations computes.
enum class Arithmetic {
  float64,
  float32,
  /// float32, with every weight, input and result rounded to 16 bits. Normalizations and
  /// activations are computed as their decomposed operators, and the result of every step is
  /// rounded. The exponents keep the range of float32: the errors come from the shorter mantissa
  /// alone, not from the smaller range of 16 bits.
  float16,
  bfloat16,
};

std::unique_ptr<Operations> plain_operations(Arithmetic arithmetic);

}  // namespace aether2onnx::verify
