/// @file
/// The reference: the network's forward pass, with the tensors of the checkpoint. It follows the
/// specification of AetherNet. It shares the reader of the file with the converter, but neither
/// fusion nor graph, so that a mistake in those shows as a difference. A generation is one file,
/// reference_<generation>.cpp, and one row in reference.cpp. The forward passes are written once;
/// libtorch or plain loops compute their operations.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "network/network.h"
#include "operations.h"
#include "ranges.h"
#include "state_dict/state_dict.h"
#include "tensor.h"

namespace aether2onnx::verify {

/// The outputs of the network's parts, in the order of computation. Each has the path of its
/// module, "layers.0.1".
using BlockOutputs = std::vector<std::pair<std::string, DoubleTensor>>;

/// Observes a run of the reference. Every member may be null.
struct Probe {
  /// Receives the outputs of the network's parts.
  BlockOutputs* blocks = nullptr;
  /// The largest magnitudes of the parts are added to it.
  Ranges* ranges = nullptr;
  /// Gets the output of each part. If the function returns other values, the next parts get these.
  /// Each part's output then depends on this part alone.
  std::function<const std::vector<float>*(const std::string& path, const DoubleTensor& output)>
      replace = nullptr;
  /// Called after each layer.
  std::function<void()> on_layer = nullptr;
};

/// The weights of a reference: as they are stored, or rounded to 16 bits.
struct WeightRounding {
  DType type = DType::float32;  ///< float16 or bfloat16; any other type: no rounding.
  /// Whether each weight is moved by up to one rounding, at random. Where an exporter adds or
  /// multiplies weights before it rounds them, nobody knows which way each was rounded.
  bool dithered = false;
};

class Reference {
 public:
  /// Loads the weights. Only the facts of `network` are used. If `cancelled`, which may be null,
  /// becomes true, a run ends with Error(cancelled) after the layer at work.
  Reference(const state_dict::StateDict& state_dict, const network::Network& network,
            std::unique_ptr<Operations> operations, const std::atomic<bool>* cancelled = nullptr,
            WeightRounding weights = {});
  Reference(const Reference&) = delete;
  Reference& operator=(const Reference&) = delete;
  ~Reference();

  /// The network's output for an input (N, C, H, W). An unfused checkpoint runs through both
  /// branches of each block. Only one thread may call this at a time.
  DoubleTensor run(const FloatTensor& input, const Probe& probe = {}) const;
  DoubleTensor run(const DoubleTensor& input, const Probe& probe = {}) const;

  /// "PyTorch 1.13.1, float32, CPU".
  std::string description() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace aether2onnx::verify
