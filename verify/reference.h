/// @file
/// The reference: the network in PyTorch (libtorch), from the checkpoint's own tensors. Written
/// from the specification of AetherNet; shares nothing with fusion or the graph but the reader of
/// the file, so that a mistake there shows as a difference.
#pragma once

#include <memory>
#include <string>

#include "onnxruntime.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::verify {

class Reference {
 public:
  /// Loads the weights as float32. `state_dict` must be that of a recognised network.
  explicit Reference(const state_dict::StateDict& state_dict);
  Reference(const Reference&) = delete;
  Reference& operator=(const Reference&) = delete;
  ~Reference();

  /// The network's output for a (N, C, H, W) input. An unfused checkpoint runs through both of its
  /// branches.
  FloatTensor run(const FloatTensor& input) const;

  /// "PyTorch 1.13.1 (libtorch)".
  static std::string description();

 private:
  struct Weights;
  std::unique_ptr<Weights> weights_;
};

}  // namespace aether2onnx::verify
