/// @file
/// The official ONNX checker and shape inference (libonnx), and a look into the parsed model.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstddef>
#include <span>
#include <string>

namespace aether2onnx::test {

/// The highest opset that the installed libonnx knows.
int checker_max_opset();

onnx::ModelProto parse_model(std::span<const std::byte> bytes);

/// Runs the checker with full checks, and strict shape and type inference on the model without its
/// value_info; compares what is inferred with what the file says. Gives "" or what is wrong.
std::string check_with_libonnx(const onnx::ModelProto& model);

/// Type inference by ONNX's signatures of the operators that the converter writes: all inputs of an
/// operator agree as its schema demands, at that opset, and value_info says what is inferred; no
/// conversion is left to whoever runs the model. Gives "" or what is wrong.
std::string check_types(const onnx::ModelProto& model);

}  // namespace aether2onnx::test
