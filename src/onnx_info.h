/// @file
/// Makes the public description of an ONNX file.
#pragma once

#include <aether2onnx/inspect.h>

#include "formats/onnx/onnx.h"

namespace aether2onnx {

/// Returns all facts about the file except the name, the size and the hash.
SourceInfo describe_source(const onnx::Model& file);
OnnxInfo describe_onnx(const onnx::Model& file);

/// Describes an input or output. An axis of unknown size is "?".
TensorInfo describe_value(const onnx::ValueInfo& value);

/// Whether the tensor is a weight: neither a scalar nor a shape.
bool is_weight(const onnx::Tensor& tensor);

/// Returns the number of elements, or 0 if this number overflows 64 bits.
std::uint64_t elements_of(const onnx::Tensor& tensor);

}  // namespace aether2onnx
