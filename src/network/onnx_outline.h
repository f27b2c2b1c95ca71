/// @file
/// Makes the summary (Outline) of an ONNX graph. recognise() uses the summary to find the network.
#pragma once

#include "formats/onnx/onnx.h"
#include "network/network.h"

namespace aether2onnx::network {

/// Returns the steps of an ONNX graph (pixel shuffles, LeakyRelus, and operators with weights) in
/// the order of execution, and the numbers of GELUs, sigmoids, ReLUs and normalizations.
Outline outline_of(const onnx::Model& model);

}  // namespace aether2onnx::network
