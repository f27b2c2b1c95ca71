/// @file
/// Distinguishes the generations G6 and G7 of AetherNet, which both have the key `scale_tensor`.
/// Private to this folder.
#pragma once

#include "network/generation.h"

namespace aether2onnx::network {

/// Returns whether the keys of a checkpoint are those of the generations G6 and G7.
bool fits_scale_tensor(const FloatStateDict& file);

/// Chooses one of the generations G6.0 to G7d. Uses the first of these signs that is present: the
/// option `generation`, the note that the command fuse wrote into the file, the version number
/// model_version, the names of PyTorch modules, the dict arch_config, and, in a fused file, whether
/// norms have running_mean and running_var. Without any sign, assumes G7d.
Decision decide_scale_tensor(const FloatStateDict& file, const ReadOptions& options);

bool is_seventh(const Decision& decision);

}  // namespace aether2onnx::network
