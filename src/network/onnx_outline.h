/// @file
/// Makes the summary (Outline) of an ONNX graph, by which recognise() recognises the network.
#pragma once

#include "formats/onnx/onnx.h"
#include "network/network.h"

namespace aether2onnx::network {

/// Returns the steps of an ONNX graph, in the order of execution, and counts of other operators.
Outline outline_of(const onnx::Model& model);

}  // namespace aether2onnx::network
