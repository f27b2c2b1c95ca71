/// @file
/// Conversions of one checkpoint, and of several.
#pragma once

#include "render/results.h"
#include "verification.h"

namespace aether2onnx::cli {

/// Converts `input` to `output`. With a `verification` the model is compared before it is saved,
/// and a model that fails may be kept under another name. `comparison` is complete on an error,
/// too.
Conversion convert_one(const ConvertRequest& request, const Invocation& invocation,
                       const std::filesystem::path& input, const std::filesystem::path& output,
                       const Verification* verification, Comparison& comparison, Console* console);

/// Looks at planned.output.path. Throws Error(io) if the model can't be saved there.
OutputPlan plan_output(const ConvertRequest& request, const std::filesystem::path& input,
                       const ConvertReport& planned);

/// Converts all of request.batch.inputs. A failed checkpoint does not stop the others. Problems of
/// the whole batch (a folder without checkpoints, two inputs for one output) are thrown before
/// anything is written. Returns the exit code.
int run_batch(const ConvertRequest& request, const Invocation& invocation, Console& console);

}  // namespace aether2onnx::cli
