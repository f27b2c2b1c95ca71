/// @file
/// Converts one checkpoint, or a batch of several checkpoints.
#pragma once

#include "render/results.h"
#include "verification.h"

namespace aether2onnx::cli {

/// Converts `input` to `output`. If `verification` is not null, compares the model before saving. A
/// model that differs is saved only with --keep_failed, under another name. Sets `comparison` even
/// if the model differs and the function throws.
Conversion convert_one(const ConvertRequest& request, const Invocation& invocation,
                       const std::filesystem::path& input, const std::filesystem::path& output,
                       const Verification* verification, Comparison& comparison, Console* console);

/// Returns what a conversion will do with planned.output.path. Throws Error(io) if this path cannot
/// be written.
OutputPlan plan_output(const ConvertRequest& request, const std::filesystem::path& input,
                       const ConvertReport& planned);

/// Converts all of request.batch.inputs. A failed checkpoint does not stop the others. Problems of
/// the whole batch (a folder without checkpoints, two inputs for one output) are thrown before
/// anything is written. Returns the exit code.
int run_batch(const ConvertRequest& request, const Invocation& invocation, Console& console);

}  // namespace aether2onnx::cli
