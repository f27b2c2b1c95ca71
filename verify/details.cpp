#include "details.h"

#include <fmt/format.h>

#include <cmath>
#include <map>

#include "base/text.h"
#include "blocks.h"
#include "metadata.h"
#include "port/files.h"

namespace aether2onnx::verify {

namespace fs = std::filesystem;

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(); }

Json to_json(const Comparison& comparison, const Run& run) {
  return {{"shape", run.sizes},
          {"input", run.kind},
          {"passed", comparison.passed},
          {"max_absolute", number(comparison.max_absolute)},
          {"mean_absolute", number(comparison.mean_absolute)},
          {"max_relative", number(comparison.max_relative)},
          {"worst", comparison.worst},
          {"outside_tolerance", comparison.outside},
          {"psnr", number(comparison.psnr)},
          {"histogram", comparison.histogram}};
}

Json compare_source(const onnx::Model& model, const state_dict::StateDict& checkpoint) {
  const std::string* expected = model.find_metadata("source_sha256");
  if (expected == nullptr || expected->empty()) return {{"same", nullptr}, {"name", ""}};
  const std::string* name = model.find_metadata("source_name");
  const bool same = io::sha256_of(checkpoint.files(), [](std::uint64_t) {}) == *expected;
  return {{"same", same}, {"name", name == nullptr ? "" : printable(*name)}};
}

Json to_json(const std::vector<Assumption>& assumptions) {
  Json list = Json::array();
  for (const Assumption& each : assumptions) {
    list.push_back({{"what", each.what},
                    {"value", each.value},
                    {"origin", each.origin},
                    {"because", each.because},
                    {"text", text_of(each)}});
  }
  return list;
}

Json to_json(const PartError& part) {
  return {{"path", part.path},
          {"error", number(part.error)},
          {"noise", number(part.noise)},
          {"largest_error", number(part.largest_error)},
          {"largest_noise", number(part.largest_noise)},
          {"times", number(part.times())},
          {"suspicious", part.is_suspicious()}};
}

Json to_json(const BlockRange& block) {
  return {{"path", block.path},
          {"max_absolute", number(block.max_absolute)},
          {"fp16_headroom", number(block.headroom())},
          {"fp16_tight", block.is_tight()}};
}

std::string text_of(const PartError& part, const std::string& cause) {
  return fmt::format(
      "{} has a relative error of {:.1e} (largest error: {:.1e}). {} explains only a relative "
      "error of {:.1e} (largest error: {:.1e}).",
      part.path == kOutputPart ? "The part after the network's last module"
                               : fmt::format("The part {}", part.path),
      part.error, part.largest_error, cause, part.noise, part.largest_noise);
}

std::string contradictions(const onnx::Model& model, const state_dict::StateDict& checkpoint,
                           const NetworkInfo& facts) {
  std::string text;
  const Json source = compare_source(model, checkpoint);
  if (source["same"] == false) {
    const auto name = source["name"].get<std::string>();
    text += fmt::format(" The model's metadata name another source file{}.",
                        name.empty() ? "" : fmt::format(" ({})", name));
  }
  const metadata::Assumed noted = metadata::assumed(model);
  if (noted.generation && *noted.generation != facts.generation) {
    text += fmt::format(" The model was made as generation {}, but the checkpoint is read as {}.",
                        printable(*noted.generation, 40), facts.generation);
  }
  const double res_scale = facts.number("res_scale", 1);
  if (noted.res_scale && *noted.res_scale != res_scale) {
    text += fmt::format(" The model was made with a res_scale of {}, but the comparison uses {}.",
                        *noted.res_scale, res_scale);
  }
  return text;
}

std::vector<std::pair<std::string, std::string>> facts_of(const onnx::Model& model,
                                                          const fs::path& path,
                                                          const network::Network& network,
                                                          const Request& request) {
  std::map<std::string, std::uint64_t> counts;
  for (const onnx::Node& node : model.nodes) ++counts[node.op_type];
  std::vector<std::string> operators;
  operators.reserve(counts.size());
  for (const auto& [op, count] : counts) operators.push_back(fmt::format("{} {}", count, op));
  std::vector<std::string> opsets;
  opsets.reserve(model.opsets.size());
  for (const auto& [domain, version] : model.opsets) {
    opsets.push_back(domain.empty() ? fmt::format("{}", version)
                                    : fmt::format("{} {}", domain, version));
  }
  std::vector<std::pair<std::string, std::string>> facts = {
      {"Checkpoint", request.checkpoint.filename().string()},
      {"Network", summary(network.facts)},
      {"ONNX file", human_bytes(io::FileInput(path).size())},
      {"Opset, IR version", fmt::format("{}, {}", join(opsets, ", "), model.ir_version)},
      {"Nodes", fmt::format("{}: {}", model.nodes.size(), join(operators, ", "))},
      {"Made by", fmt::format("{} {}", model.producer_name, model.producer_version)}};
  for (const auto& [key, value] : model.metadata) facts.emplace_back(key, value);
  return facts;
}

}  // namespace aether2onnx::verify
