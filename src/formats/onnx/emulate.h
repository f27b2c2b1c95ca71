/// @file
/// Converts a 16-bit model to float32 without rounding the results of operators.
#pragma once

#include "formats/onnx/onnx.h"

namespace aether2onnx::onnx {

/// Like emulate_half_types(), but rounds no result: only the weights keep their 16-bit values. If a
/// constant is the rounded square root of 2 or its inverse, the model gets that number in float32.
std::string widen_half_types(const Input& input, const Model& model, const io::Siblings* siblings);

}  // namespace aether2onnx::onnx
