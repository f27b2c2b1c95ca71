/// @file
/// Converts the details of a comparison to JSON, and lists the facts about the model in its report.
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

/// Returns the number, or null if the number is not finite: JSON has no infinity.
Json number(double value);

Json to_json(const Comparison& comparison, const Run& run);
Json to_json(const std::vector<Assumption>& assumptions);
Json to_json(const PartError& part);
Json to_json(const BlockRange& block);

/// Returns "same" (whether the model was made from this checkpoint; null if the metadata have no
/// hash) and "name" (the name of the file that the model was made from).
Json compare_source(const onnx::Model& model, const state_dict::StateDict& checkpoint);

/// Returns the sentences about a suspicious part. `cause` names the measured rounding and is the
/// subject of a sentence: "Rounding to float16".
std::string text_of(const PartError& part, const std::string& cause);

/// Returns a sentence for each fact that the model's metadata and the comparison disagree about.
/// Each sentence begins with a space. Returns "" if no fact differs.
std::string contradictions(const onnx::Model& model, const state_dict::StateDict& checkpoint,
                           const NetworkInfo& facts);

/// Returns the names and values of the report's table about the model.
std::vector<std::pair<std::string, std::string>> facts_of(const onnx::Model& model,
                                                          const std::filesystem::path& path,
                                                          const network::Network& network,
                                                          const Request& request);

}  // namespace aether2onnx::verify
