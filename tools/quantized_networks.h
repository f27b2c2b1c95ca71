/// @file
/// Quantizes the state dict of a sample network: adds the entries of quantization-aware training,
/// or converts the network to int8. For fused networks of G1 and G7.
#pragma once

#include <vector>

#include "checkpoint_writer.h"

namespace aether2onnx::tools {

/// Returns the weight as symmetric qint8: the largest magnitude is 127.5 steps. If `per_channel` is
/// true, each output channel has a scale, and a weight of rank 4 has channels_last strides.
/// Otherwise one scale is for all channels.
NamedTensor quantize(NamedTensor weight, bool per_channel);

/// Returns the network converted to int8: quantized convolutions (in G7 not in the upsampler),
/// packed linear layers, None for missing biases, and scale and zero point of the outputs of
/// quantized modules.
std::vector<NamedTensor> convert_to_int8(const std::vector<NamedTensor>& fused, bool per_channel);

/// Returns the network as quantization-aware training saves it: the network's own entries, then the
/// entries of the observers.
std::vector<NamedTensor> add_observers(const std::vector<NamedTensor>& fused, bool per_channel);

}  // namespace aether2onnx::tools
