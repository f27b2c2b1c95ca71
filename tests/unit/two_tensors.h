/// @file
/// A state dict of two tensors, and the values of a tensor that was read.
#pragma once

#include <string>
#include <vector>

#include "checkpoint_writer.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::state_dict {

inline std::vector<tools::NamedTensor> two_tensors() {
  return {{"weight", {2, 2}, {0.5, -1, 2, 1024}}, {"bias", {2}, {3, -0.25}}};
}

inline std::vector<double> values_of(const StateDict& state_dict, const std::string& name) {
  const Entry* entry = state_dict.find(name);
  if (entry == nullptr || !entry->tensor) return {};
  const TensorData data = state_dict.read(*entry);
  return to_doubles(data.bytes, data.dtype);
}

}  // namespace aether2onnx::state_dict
