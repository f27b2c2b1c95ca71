/// @file
/// What several fuzzers do with a checkpoint: open it and read every tensor.
#pragma once

#include <cstdlib>

#include "base/error.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::fuzz {

/// Ends the process where a tensor hasn't the bytes that its description says, or the error is one
/// that no input may cause.
inline void open_and_read(const Input& input, const io::Siblings* siblings = nullptr) {
  try {
    const auto state_dict = state_dict::StateDict::open(input, {{}, siblings}, {});
    for (const state_dict::Entry& entry : state_dict.entries()) {
      if (!entry.tensor) continue;
      const TensorData tensor = state_dict.read(entry);
      const auto elements = static_cast<std::size_t>(entry.tensor->elements);
      if (tensor.bytes.size() != elements * size_of(tensor.dtype)) std::abort();
    }
  } catch (const Error& error) {
    if (error.kind == ErrorKind::internal) std::abort();
  }
}

}  // namespace aether2onnx::fuzz
