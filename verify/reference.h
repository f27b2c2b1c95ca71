/// @file
/// The reference: computes the network's forward pass with the tensors of the checkpoint, as the
/// specification of AetherNet defines it. Verification compares the output of the ONNX model with
/// the output of the reference. The reference and the converter share the code that reads the
/// checkpoint. But the reference does not use the converter's code that merges layers (fusion) and
/// builds the graph, so a mistake in this code makes the outputs differ.
/// Each generation (version of AetherNet) has a file, reference_<generation>.cpp, and a row in the
/// table of reference.cpp. Each forward pass is written once, with the functions of the class
/// Operations, which libtorch or plain loops implement.
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

/// The outputs of the network's parts, in the order of computation. A part is a block, or a layer
/// outside of the blocks. Each output has the path of the part's module, such as "layers.0.1".
using BlockOutputs = std::vector<std::pair<std::string, DoubleTensor>>;

/// Observes the forward pass that Reference::run() computes. Every member may be null.
struct Probe {
  /// Receives the outputs of the network's blocks, and of the layers outside of the blocks.
  BlockOutputs* blocks = nullptr;
  /// Receives the largest magnitude of the values in each block, or layer outside of the blocks.
  Ranges* ranges = nullptr;
  /// Called with the output of each block or layer. If the function returns values (not null), the
  /// next blocks and layers get these values instead of the output. Then an error in a block or
  /// layer changes no later block or layer.
  std::function<const std::vector<float>*(const std::string& path, const DoubleTensor& output)>
      replace = nullptr;
  /// Called after each layer, to report progress.
  std::function<void()> on_layer = nullptr;
};

/// How a Reference rounds its weights: not at all, or to 16 bits.
struct WeightRounding {
  DType type = DType::float32;  ///< float16 or bfloat16; any other type: no rounding.
  /// Whether each rounded weight is also changed at random, by up to one relative rounding error.
  /// An exporter may add or multiply weights before rounding. The weights of the exported model are
  /// then not known exactly. The random changes show how much the output may differ for this
  /// reason.
  bool dithered = false;
};

class Reference {
 public:
  /// Loads the weights in `state_dict`. Uses only the facts (settings) of `network`. If `cancelled`
  /// (may be null) becomes true, run() ends with Error(cancelled) after the current layer.
  Reference(const state_dict::StateDict& state_dict, const network::Network& network,
            std::unique_ptr<Operations> operations, const std::atomic<bool>* cancelled = nullptr,
            WeightRounding weights = {});
  Reference(const Reference&) = delete;
  Reference& operator=(const Reference&) = delete;
  ~Reference();

  /// Returns the network's output for an input (N, C, H, W). Training uses two parallel
  /// convolutions in each block. If the checkpoint still has both, computes both and adds their
  /// outputs. Only one thread may call run() at a time.
  DoubleTensor run(const FloatTensor& input, const Probe& probe = {}) const;
  DoubleTensor run(const DoubleTensor& input, const Probe& probe = {}) const;

  /// Returns the library, the number type and the device, for example "PyTorch 1.13.1, float32,
  /// CPU".
  std::string description() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace aether2onnx::verify
