/// @file
/// The parts of the details of a comparison, as JSON, and the facts at the head of its report.
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

/// JSON has no infinity. A number that is not finite becomes null.
Json number(double value);

Json to_json(const Comparison& comparison, const Run& run);
Json to_json(const std::vector<Assumption>& assumptions);
Json to_json(const PartError& part);
Json to_json(const BlockRange& block);

/// Whether the checkpoint is the file that the model was made from; null if the metadata do not
/// tell.
Json compare_source(const onnx::Model& model, const state_dict::StateDict& checkpoint);

/// The sentence on a suspicious part. `cause` is the rounding that was measured, as the subject of
/// a sentence.
std::string text_of(const PartError& part, const std::string& cause);

/// Sentences on each fact that the model's metadata give otherwise than the comparison takes it,
/// each after a space; "" if there is none.
std::string contradictions(const onnx::Model& model, const state_dict::StateDict& checkpoint,
                           const NetworkInfo& facts);

/// The names and values at the head of the report.
std::vector<std::pair<std::string, std::string>> facts_of(const onnx::Model& model,
                                                          const std::filesystem::path& path,
                                                          const network::Network& network,
                                                          const Request& request);

}  // namespace aether2onnx::verify
