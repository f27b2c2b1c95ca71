/// @file
/// A 16-bit model without the roundings of its results.
#pragma once

#include "formats/onnx/onnx.h"

namespace aether2onnx::onnx {

/// As emulate_half_types(), but only the weights have 16 bits: no result is rounded. A constant
/// that is the square root of 2, or its inverse, but for its rounding becomes that number.
std::string widen_half_types(const Input& input, const Model& model, const io::Siblings* siblings);

}  // namespace aether2onnx::onnx
