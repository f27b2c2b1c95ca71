/// @file
/// Converts one checkpoint to ONNX, or a batch of several checkpoints.
#pragma once

#include "render/results.h"
#include "verification.h"

namespace aether2onnx::cli {

/// Converts the checkpoint `input` to the ONNX file `output`. If `verification` is not null,
/// compares the new model with the checkpoint before the model is saved, and sets `comparison` to
/// the result. If the model differs from the checkpoint, then throws ProgramError. With
/// --keep_failed, first saves the differing model as NAME.failed.onnx.
Conversion convert_one(const ConvertRequest& request, const Invocation& invocation,
                       const std::filesystem::path& input, const std::filesystem::path& output,
                       const Verification* verification, Comparison& comparison, Console* console);

/// Returns whether a conversion will write, replace or skip the file planned.output.path, and why.
/// Throws Error(io) if no file can be saved at this path.
OutputPlan plan_output(const ConvertRequest& request, const std::filesystem::path& input,
                       const ConvertReport& planned);

/// Converts all checkpoints in request.batch.inputs, even if one of them fails. Before writing
/// anything, throws Error for a problem of the whole batch: a folder without checkpoints, or two
/// checkpoints with the same output. Returns the exit code.
int run_batch(const ConvertRequest& request, const Invocation& invocation, Console& console);

}  // namespace aether2onnx::cli
