/// @file
/// Converts the results of a comparison to JSON, and lists facts about the model for the report.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "assumptions.h"
#include "comparison.h"
#include "examination.h"
#include "plan.h"
#include "ranges.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::verify {

using Json = nlohmann::ordered_json;

/// Returns the number as JSON; null if the number is infinite or NaN, which JSON does not have.
Json number(double value);

Json to_json(const Comparison& comparison, const Run& run);
Json to_json(const std::vector<Assumption>& assumptions);
Json to_json(const PartError& part);
Json to_json(const BlockRange& block);

/// Finds out whether the model was made from `checkpoint`. In the result, "same" says whether the
/// checkpoint has the hash that the model's metadata contain; null if the metadata contain no hash.
/// "name" is the name of the model's source file, as the metadata say, or "".
Json compare_source(const onnx::Model& model, const state_dict::StateDict& checkpoint);

/// Returns two sentences about a block or layer whose error is too large to come from rounding. The
/// second sentence begins with `cause`, for example "Rounding to float16", and says how large an
/// error `cause` explains.
std::string text_of(const PartError& part, const std::string& cause);

/// Compares the source file, the generation and res_scale in the model's metadata with `checkpoint`
/// and with `facts`, the settings in the comparison. Returns a sentence for each difference, or ""
/// if there is no difference. Each sentence begins with a space.
std::string contradictions(const onnx::Model& model, const state_dict::StateDict& checkpoint,
                           const NetworkInfo& facts);

/// Returns the rows (name, value) of the table about the model in the report.
std::vector<std::pair<std::string, std::string>> facts_of(const onnx::Model& model,
                                                          const std::filesystem::path& path,
                                                          const network::Network& network,
                                                          const Request& request);

}  // namespace aether2onnx::verify
