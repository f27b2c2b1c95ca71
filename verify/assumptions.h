/// @file
/// Finds the assumptions in the comparison of an ONNX model with PyTorch. An assumption is a
/// setting of the network whose value does not come from the checkpoint.
#pragma once

#include <string>
#include <vector>

#include "formats/onnx/onnx.h"
#include "network/network.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::verify {

/// A setting of the network for which the comparison uses `value`, although the checkpoint has no
/// value or another value. If `value` is wrong, a passed comparison does not show that the ONNX
/// model is equal to the network in PyTorch. The comparison can't prove that `value` is right.
struct Assumption {
  std::string what;     ///< The setting: "generation", "res_scale", "norm_eps" or "img_range".
  std::string value;    ///< The value of the setting in the comparison: "G7d".
  std::string origin;   ///< Source of `value`: "option", "metadata" (of the model) or "default".
  std::string because;  ///< Why the checkpoint lacks `value`, or the checkpoint's other value.
};

/// Returns the assumption as text: "generation G6.0, as the model's metadata say: …".
std::string text_of(const Assumption& assumption);

/// The result of settle(): the network in the checkpoint, and the assumptions about this network.
struct Settled {
  network::Network network;
  std::vector<Assumption> assumptions;
  ReadOptions reading;  ///< The user's options, completed with values of the model's metadata.
};

/// Returns the network in the checkpoint. `given` are the user's options. If neither the options
/// nor the checkpoint contain a setting, the value in the metadata of `model` is used, because the
/// metadata record how the model was made. Throws the errors of network::recognise().
Settled settle(const state_dict::StateDict& state_dict, const onnx::Model& model,
               const ReadOptions& given);

}  // namespace aether2onnx::verify
