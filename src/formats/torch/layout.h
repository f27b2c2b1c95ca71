/// @file
/// The sizes and strides of tensors in a pickle. Private to this folder.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "formats/pickle/pickle.h"
#include "formats/tensors.h"

namespace aether2onnx::torch {

/// Reads sizes or strides: a tuple, a list or a torch.Size. Throws NotATensor (storage_table.h) for
/// any other value. `what` is the word for these numbers in messages: "size" or "stride".
std::vector<std::int64_t> sizes(const pickle::Document& document, pickle::ValueId value,
                                const char* what);

/// Returns the distance from the tensor's first element to its last element, in elements of the
/// storage; nullopt if the distance overflows. Requires a tensor with elements.
std::optional<std::int64_t> reach(const formats::Tensor& tensor);

}  // namespace aether2onnx::torch
