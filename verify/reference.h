/// @file
/// The reference: the network in PyTorch (libtorch), from the checkpoint's own tensors. Written
/// from the specification of AetherNet; shares nothing with fusion or the graph but the reader of
/// the file, so that a mistake there shows as a difference. A generation is one file,
/// reference_<generation>.cpp, and one row in reference.cpp.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "network/network.h"
#include "ranges.h"
#include "state_dict/state_dict.h"
#include "tensor.h"

namespace aether2onnx::verify {

/// Outputs of the network's parts in the order in which they are computed, each named as the module
/// that makes it, "layers.0.1".
using BlockOutputs = std::vector<std::pair<std::string, DoubleTensor>>;

class Reference {
 public:
  struct Settings {
    bool float64 = false;  ///< Otherwise float32.
    int cuda_device = -1;  ///< -1: the CPU.
  };

  /// Loads the weights. `network` is what the state dict was recognised as; only its facts count.
  Reference(const state_dict::StateDict& state_dict, const network::Network& network,
            const Settings& settings);
  Reference(const Reference&) = delete;
  Reference& operator=(const Reference&) = delete;
  ~Reference();

  /// The network's output for a (N, C, H, W) input. An unfused checkpoint runs through both of its
  /// branches. Where `blocks` isn't null, the outputs of the network's parts are put there; where
  /// `ranges` isn't, the largest magnitudes in them are added to it. Not for several threads.
  DoubleTensor run(const FloatTensor& input, BlockOutputs* blocks = nullptr,
                   Ranges* ranges = nullptr) const;

  /// The same for an input that isn't rounded to float32.
  DoubleTensor run(const DoubleTensor& input) const;

  /// "PyTorch 1.13.1, float32, CPU".
  std::string description() const;

  /// Whether this libtorch can compute on CUDA devices.
  static bool has_cuda();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace aether2onnx::verify
