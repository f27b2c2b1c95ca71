/// @file
/// A norm with stored statistics as a factor and an offset. Private to this stage.
#pragma once

#include "network/network.h"

namespace aether2onnx::fusion {

/// x * weight + bias, of each channel.
struct Affine {
  network::Expression weight;
  network::Expression bias;
};

Affine affine_of(const network::Network& network, const network::DeploymentNorm& norm);

}  // namespace aether2onnx::fusion
