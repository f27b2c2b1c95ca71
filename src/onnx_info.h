/// @file
/// Describes an ONNX file with the structures of the public headers.
#pragma once

#include <aether2onnx/inspect.h>

#include "formats/onnx/onnx.h"

namespace aether2onnx {

/// Both functions describe the ONNX file, without the file's name, size and hash.
SourceInfo describe_source(const onnx::Model& file);
OnnxInfo describe_onnx(const onnx::Model& file);

/// Describes an input or output of the graph. The size of an axis is "?" if unknown.
TensorInfo describe_value(const onnx::ValueInfo& value);

/// Returns whether the tensor is a weight. Scalars and integer tensors (for example a shape) are no
/// weights.
bool is_weight(const onnx::Tensor& tensor);

/// Returns the number of the tensor's elements, or 0 if this number overflows 64 bits.
std::uint64_t elements_of(const onnx::Tensor& tensor);

}  // namespace aether2onnx
