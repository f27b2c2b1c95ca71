/// @file
/// The assumptions of a comparison: facts about the network that the checkpoint does not decide.
#pragma once

#include <string>
#include <vector>

#include "formats/onnx/onnx.h"
#include "network/network.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::verify {

/// A fact that the checkpoint does not decide, or decides differently. A comparison shows that the
/// model computes the same as PyTorch if the fact is true. No comparison can prove the fact.
struct Assumption {
  std::string what;     ///< The fact: "generation", "res_scale", "norm_eps" or "img_range".
  std::string value;    ///< The value that the comparison uses: "G7d".
  std::string origin;   ///< Source of the value: "option", "metadata" (of the model) or "default".
  std::string because;  ///< Why the checkpoint does not decide the fact, or the checkpoint's value.
};

/// Returns the assumption as text: "generation G6.0, as the model's metadata say: …".
std::string text_of(const Assumption& assumption);

/// The result of settle(): the network in the checkpoint, if the assumptions are true.
struct Settled {
  network::Network network;
  std::vector<Assumption> assumptions;
  ReadOptions reading;  ///< The user's options, completed from the model's metadata.
};

/// Recognises the network in the checkpoint. `given` are the user's options. If neither the options
/// nor the checkpoint decide a fact, the model's metadata decide, because they record how the model
/// was made. Throws the errors of network::recognise().
Settled settle(const state_dict::StateDict& state_dict, const onnx::Model& model,
               const ReadOptions& given);

}  // namespace aether2onnx::verify
