/// @file
/// Chooses between G6 and G7, which both have the key `scale_tensor`. Private to this folder.
#pragma once

#include "network/generation.h"

namespace aether2onnx::network {

/// Returns whether the keys belong to G6 or G7.
bool fits_scale_tensor(const FloatStateDict& file);

/// Chooses the generation. Uses the most reliable evidence first.
Decision decide_scale_tensor(const FloatStateDict& file, const ReadOptions& options);

bool is_seventh(const Decision& decision);

}  // namespace aether2onnx::network
