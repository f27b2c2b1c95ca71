/// @file
/// What a generation of AetherNet gives to the table in recognise.cpp. Private to this stage.
#pragma once

#include "network/network.h"

namespace aether2onnx::network {

struct Generation {
  const char* name;
  /// Whether the state dict is of this generation, judged by its fingerprint: true also where keys
  /// are missing or wrong, so that describe() can say which.
  bool (*claims)(const state_dict::StateDict& state_dict);
  /// The description; throws as recognise() does.
  Network (*describe)(const state_dict::StateDict& state_dict);
  /// The network of this generation that a graph is of, as recognise() gives it.
  std::optional<Network> (*recognise)(const Outline& outline, const Report::Network& hint);
};

extern const Generation kGeneration1;

/// One key that a network has, with the shape it must have.
struct ExpectedTensor {
  std::string name;
  std::vector<std::int64_t> shape;
};

/// Compares the state dict with what the network has, and throws Error(mismatch) with all
/// differences, `what` naming the network they were found for.
void check_strictly(const state_dict::StateDict& state_dict,
                    const std::vector<ExpectedTensor>& expected, const std::string& what);

}  // namespace aether2onnx::network
