/// @file
/// What a comparison takes for granted: facts about the network that the checkpoint leaves open.
#pragma once

#include <string>
#include <vector>

#include "formats/onnx/onnx.h"
#include "network/network.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::verify {

/// A fact that the checkpoint does not decide, or decides otherwise. A comparison shows that the
/// model computes what PyTorch does with this fact. It cannot show that the fact is right.
struct Assumption {
  std::string what;     ///< "generation", "res_scale", "norm_eps" or "img_range".
  std::string value;    ///< "G7d"
  std::string origin;   ///< "option", "metadata" of the model, or "default".
  std::string because;  ///< Why the checkpoint leaves it open, or what it says instead.
};

/// "generation G6.0, as the model's metadata say: …".
std::string text_of(const Assumption& assumption);

/// The network for which the checkpoint is taken.
struct Settled {
  network::Network network;
  std::vector<Assumption> assumptions;
  ReadOptions reading;  ///< The user's options, and what the metadata decide.
};

/// Recognises the network. `given` are the user's options. Where these and the checkpoint leave a
/// fact open, the metadata of the model decide, because they note how the model was made. Throws
/// the errors of network::recognise().
Settled settle(const state_dict::StateDict& state_dict, const onnx::Model& model,
               const ReadOptions& given);

}  // namespace aether2onnx::verify
