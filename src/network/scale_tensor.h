/// @file
/// The generations G6 and G7 have the same keys, among them `scale_tensor`. Private to this folder.
#pragma once

#include "network/generation.h"

namespace aether2onnx::network {

/// Whether the keys belong to these generations.
bool fits_scale_tensor(const FloatStateDict& file);

/// Decides by the evidence, the most reliable first.
Decision decide_scale_tensor(const FloatStateDict& file, const ReadOptions& options);

bool is_seventh(const Decision& decision);

}  // namespace aether2onnx::network
