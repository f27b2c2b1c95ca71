/// @file
/// Which generation a state dict with `scale_tensor` is of: the sixth and the seventh have the same
/// keys. Private to this stage.
#pragma once

#include <string>

#include "network/view.h"

namespace aether2onnx::network {

struct ScaleTensorGeneration {
  std::string name;  ///< "G6.0", "G6.1" or "G7a" to "G7d"
  std::string because;
  bool certain = true;
  /// Whether it is certain, too, which of G7a to G7d it is, on which the epsilon depends.
  bool certain_letter = true;

  bool is_seventh() const { return name.starts_with("G7"); }
};

/// Decides by the evidence, the most reliable first.
ScaleTensorGeneration decide_scale_tensor(const View& view, const ReadOptions& options);

/// Whether the keys are of these generations.
bool fits_scale_tensor(const View& view);

}  // namespace aether2onnx::network
