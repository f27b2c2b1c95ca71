/// @file
/// Many conversions at once: several checkpoints or a folder of them, over the processor's cores.
#pragma once

#include "conversion.h"

namespace aether2onnx::cli {

/// Whether `path` ends as checkpoints do: .pth, .pt, .ckpt or .safetensors.
bool has_checkpoint_suffix(const std::filesystem::path& path);

/// Converts all of arguments.batch.inputs. The failure of one stops no other; what can't be done
/// for any of them (a folder without checkpoints, two inputs for one output) is thrown before
/// anything is written. Gives the exit code.
int run_batch(const ConvertArguments& arguments, const Invocation& invocation, Console& console);

}  // namespace aether2onnx::cli
