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

/// Returns "same" (whether the checkpoint has the hash in the model's metadata; null if there is no
/// hash) and "name" (the file name of the model's source in the metadata, or "").
Json compare_source(const onnx::Model& model, const state_dict::StateDict& checkpoint);

/// Returns sentences about a part whose error is suspicious. `cause` names the measured rounding as
/// the subject of a sentence: "Rounding to float16".
std::string text_of(const PartError& part, const std::string& cause);

/// Returns a sentence for each fact in which model metadata and comparison differ (source file,
/// generation, res_scale). Each sentence begins with a space. Returns "" if no fact differs.
std::string contradictions(const onnx::Model& model, const state_dict::StateDict& checkpoint,
                           const NetworkInfo& facts);

/// Returns the rows (name, value) of the table about the model in the report.
std::vector<std::pair<std::string, std::string>> facts_of(const onnx::Model& model,
                                                          const std::filesystem::path& path,
                                                          const network::Network& network,
                                                          const Request& request);

}  // namespace aether2onnx::verify
