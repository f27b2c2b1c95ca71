/// @file
/// The reference: the network in PyTorch (libtorch), with the tensors of the checkpoint. It follows
/// the specification of AetherNet. It shares the reader of the file with the converter, but neither
/// fusion nor graph, so that a mistake in those shows as a difference. A generation is one file,
/// reference_<generation>.cpp, and one row in reference.cpp.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "network/network.h"
#include "ranges.h"
#include "state_dict/state_dict.h"
#include "tensor.h"

namespace aether2onnx::verify {

/// The outputs of the network's parts, in the order of computation. Each has the path of its
/// module, "layers.0.1".
using BlockOutputs = std::vector<std::pair<std::string, DoubleTensor>>;

class Reference {
 public:
  struct Settings {
    bool float64 = false;  ///< Otherwise float32.
    int cuda_device = -1;  ///< -1: the CPU.
    /// If this becomes true, a run ends with Error(cancelled) after the layer at work. May be null.
    const std::atomic<bool>* cancelled = nullptr;
  };

  /// Loads the weights. Only the facts of `network` are used.
  Reference(const state_dict::StateDict& state_dict, const network::Network& network,
            const Settings& settings);
  Reference(const Reference&) = delete;
  Reference& operator=(const Reference&) = delete;
  ~Reference();

  /// The network's output for an input (N, C, H, W). An unfused checkpoint runs through both
  /// branches of each block. If `blocks` is not null, it receives the outputs of the network's
  /// parts. If `ranges` is not null, the largest magnitudes of the parts are added to it. Only one
  /// thread may call this at a time.
  DoubleTensor run(const FloatTensor& input, BlockOutputs* blocks = nullptr,
                   Ranges* ranges = nullptr) const;

  /// The same for an input in float64.
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
