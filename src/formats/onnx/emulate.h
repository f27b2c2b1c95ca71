/// @file
/// Converts a 16-bit ONNX model to float32 without rounding the results of operators.
#pragma once

#include "formats/onnx/onnx.h"

namespace aether2onnx::onnx {

/// Returns the bytes of an ONNX file that computes in float32 and rounds no results to 16 bits. The
/// weights become float32, but keep the values to which the exporter rounded the weights. One
/// exception: if the only element of a tensor is the square root of 2, or the inverse of this root,
/// the element gets the precise float32 value. A GELU contains this constant, and `verify` could
/// report the rounded constant as a mistake in the model. `model` is the result of read() for the
/// file `input`; `siblings` opens the files with external data. Throws Error(limit) if the returned
/// file may reach 2 GiB, Error(malformed) if the input file is damaged, and the errors of
/// read_tensor().
std::string widen_half_types(const Input& input, const Model& model, const io::Siblings* siblings);

}  // namespace aether2onnx::onnx
