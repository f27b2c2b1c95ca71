/// @file
/// Reads the outline of an ONNX file's graph. recognise() recognises a network by its outline.
#pragma once

#include "formats/onnx/onnx.h"
#include "network/network.h"

namespace aether2onnx::network {

/// Returns the steps of the graph in the order of execution, and the counts of other operators.
Outline outline_of(const onnx::Model& model);

}  // namespace aether2onnx::network
