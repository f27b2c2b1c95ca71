/// @file
/// --dry_run: what a conversion would do, and why.
#pragma once

#include "conversion.h"
#include "json.h"

namespace aether2onnx::cli {

/// What a conversion would do to its output.
struct OutputPlan {
  std::string action;  ///< "write", "replace" or "skip".
  std::string why;
};
/// Looks at planned.output.path. Throws Error(io) where the model can't be saved there.
OutputPlan plan_output(const std::filesystem::path& input, const ConvertReport& planned,
                       const ConvertArguments& arguments);

/// The options in effect, each with where it comes from: the command line, the configuration file,
/// the checkpoint or the defaults.
std::vector<GivenOption> options_in_effect(const ConvertArguments& arguments,
                                           const ConvertReport& planned);

/// Reads and recognises the one checkpoint, prints the plan, writes nothing; gives the exit code.
int run_dry(const ConvertArguments& arguments, Console& console);

/// One checkpoint's plan.
Json plan_json(const ConvertArguments& arguments, const ConvertReport& planned,
               const OutputPlan& plan);

}  // namespace aether2onnx::cli
