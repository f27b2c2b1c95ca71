/// @file
/// The public description of an ONNX file.
#pragma once

#include <aether2onnx/inspect.h>

#include "formats/onnx/onnx.h"

namespace aether2onnx {

/// All facts but the name, the size and the hash.
SourceInfo describe_source(const onnx::Model& file);
OnnxInfo describe_onnx(const onnx::Model& file);

/// An input or output. An axis of unknown size is "?".
TensorInfo describe_value(const onnx::ValueInfo& value);

/// Whether the tensor is a weight: neither a scalar nor a shape.
bool is_weight(const onnx::Tensor& tensor);

/// The number of elements; 0 if the number is too large to count.
std::uint64_t elements_of(const onnx::Tensor& tensor);

}  // namespace aether2onnx
