/// @file
/// Distinguishes the generations G6 and G7 of AetherNet, which both have the key `scale_tensor`.
/// Private to this folder.
#pragma once

#include "network/generation.h"

namespace aether2onnx::network {

/// Returns whether the keys of a checkpoint are those of the generations G6 and G7.
bool fits_scale_tensor(const FloatStateDict& file);

/// Chooses one of the generations G6.0 to G7d. Uses the first of these signs that is present: the
/// option `generation`, the note that the command fuse wrote into the file, the model_version, the
/// names of modules, arch_config, and the norms.
Decision decide_scale_tensor(const FloatStateDict& file, const ReadOptions& options);

bool is_seventh(const Decision& decision);

}  // namespace aether2onnx::network
