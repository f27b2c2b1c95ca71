/// @file
/// The outline of an ONNX file's graph, by which a network is recognised.
#pragma once

#include "formats/onnx/onnx.h"
#include "network/network.h"

namespace aether2onnx::network {

/// The graph's steps that have weights or move pixels, in the order of execution.
Outline outline_of(const onnx::Model& model);

}  // namespace aether2onnx::network
