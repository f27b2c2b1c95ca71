/// @file
/// What quantization makes of a sample network's state dict: the entries of quantization-aware
/// training, and the converted int8 network. For fused networks of G1 and G7.
#pragma once

#include <vector>

#include "checkpoint_writer.h"

namespace aether2onnx::tools {

/// The weight as qint8, symmetric, its largest magnitude at 127.5 steps; with a scale for each
/// output channel (and, of rank 4, channels_last strides), or with one for all.
NamedTensor quantize(NamedTensor weight, bool per_channel);

/// The network converted to int8: quantized convolutions (of G7 those outside the upsampler), None
/// for a bias that there isn't, packed linear layers, and scale and zero point of what quantized
/// modules put out.
std::vector<NamedTensor> convert_to_int8(const std::vector<NamedTensor>& fused, bool per_channel);

/// The network as it is saved in quantization-aware training: with the observers' entries behind
/// its own.
std::vector<NamedTensor> add_observers(const std::vector<NamedTensor>& fused, bool per_channel);

}  // namespace aether2onnx::tools
