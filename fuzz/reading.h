/// @file
/// Opens a checkpoint and reads every tensor, for several fuzzers.
#pragma once

#include <cstdlib>

#include "base/error.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::fuzz {

/// Aborts the process if a tensor's bytes do not match its description, or if an internal error
/// occurs: no input may cause internal errors.
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
