/// @file
/// Converts a 16-bit ONNX model to float32 without rounding the results of operators.
#pragma once

#include "formats/onnx/onnx.h"

namespace aether2onnx::onnx {

/// Returns the bytes of an ONNX file that computes in float32 and rounds no results to 16 bits.
/// Weights keep their 16-bit values, except the square root of 2 and its inverse, which get their
/// precise value in float32. Parameters and errors are those of emulate_half_types().
std::string widen_half_types(const Input& input, const Model& model, const io::Siblings* siblings);

}  // namespace aether2onnx::onnx
