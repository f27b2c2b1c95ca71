// Rules for the versions in the file (opset, IR), for its metadata, and for the graph as a whole.

#include <array>

#include "base/error.h"
#include "base/text.h"
#include "judge/check/check.h"
#include "metadata.h"
#include "network/network.h"
#include "network/onnx_outline.h"
#include "onnx_info.h"

namespace aether2onnx::judge::check {

namespace {

using enum Severity;

constexpr std::int64_t kTensorRtOldestOpset = 9;
constexpr std::int64_t kOnnxRuntimeOldestOpset = 7;
constexpr std::int64_t kUsualOpset = 17;
constexpr std::int64_t kOlderOpset = 15;  // ONNX Runtime 1.10 reads this opset

void opset_missing(const Model& model, Found& found) {
  if (model.opset > 0) return;
  found.add("the file does not name the opset of ONNX's own operators", everywhere(error),
            "Convert the checkpoint again.");
}

void opset_too_new(const Model& model, Found& found) {
  if (model.opset <= 0) return;
  const Version from_tensorrt = first_tensorrt_of_opset(model.opset);
  const Version from_onnxruntime = first_onnxruntime_of_opset(model.opset);
  std::vector<Concern> concerns;
  if (from_tensorrt != kFirst) concerns.push_back(tensorrt(error, before(from_tensorrt)));
  if (from_onnxruntime != kFirst) concerns.push_back(onnxruntime(error, before(from_onnxruntime)));
  if (concerns.empty()) return;
  const bool above_usual = model.opset > kUsualOpset;
  found.add(
      fmt::format("the model uses opset {}, which is too new", model.opset), std::move(concerns),
      model.has_type(type::bfloat16)
          ? instead_of_bfloat16()
          : convert_with("opset_version", std::to_string(above_usual ? kUsualOpset : kOlderOpset)) +
                ".");
}

void opset_too_old(const Model& model, Found& found) {
  if (model.opset <= 0) return;
  std::vector<Concern> concerns;
  if (model.opset < kTensorRtOldestOpset) concerns.push_back(tensorrt(error, since(version(10))));
  if (model.opset < kOnnxRuntimeOldestOpset) concerns.push_back(onnxruntime(error));
  if (concerns.empty()) return;
  found.add(fmt::format("the model uses opset {}, which is too old", model.opset),
            std::move(concerns), convert_with("opset_version", std::to_string(kUsualOpset)) + ".");
}

void ir_too_new(const Model& model, Found& found) {
  const Version from = first_onnxruntime_of_ir(model.file.ir_version);
  if (from == kFirst) return;
  const bool known = model.opset >= kMinOpset && model.opset <= kMaxOpset;
  const int needed = known ? onnx::ir_version(static_cast<int>(model.opset)) : 0;
  // Each opset requires an IR version (`needed`). A release of ONNX Runtime that cannot read
  // `needed` cannot read the opset either, and the rule opset_too_new reports the opset. So this
  // rule reports only an IR version above `needed`, and only if some releases that read the opset
  // do not read this IR version.
  if (known && model.file.ir_version <= needed) return;
  if (first_onnxruntime_of_opset(model.opset) >= from && model.opset > 0) return;
  found.add(
      fmt::format(
          "the file has IR version {}, which is too new{}", model.file.ir_version,
          known ? fmt::format("; opset {} needs only IR version {}", model.opset, needed) : ""),
      {onnxruntime(error, before(from))},
      "Convert the checkpoint with aether2onnx, which writes the lowest IR version that the "
      "opset permits.");
}

void metadata_contradict(const Model& model, Found& found) {
  auto network = network::recognise(network::outline_of(model.file), metadata::network(model.file));
  if (!network) return;
  const std::vector<Diagnostic> differences =
      metadata::contradictions(model.file, describe_onnx(model.file).precision, network->facts);
  if (differences.empty()) return;
  std::string what = differences.front().text;
  if (differences.size() > 1) what += fmt::format(" (and {} more)", differences.size() - 1);
  found.add(std::move(what), everywhere(warning),
            "Trust the graph. Convert the checkpoint again to get metadata that fit the graph.",
            differences.size());
}

void not_aethernet(const Model& model, Found& found) {
  if (network::recognise(network::outline_of(model.file), metadata::network(model.file))) return;
  found.add("the graph is not an AetherNet network", everywhere(note),
            "check still applied its other rules to this file. The command inspect shows what the "
            "file contains.");
}

void unknown_part(const Model& model, Found& found) {
  const auto& parts = model.file.unknown_parts;
  if (parts.empty()) return;
  found.add(fmt::format("the file has {} that ONNX does not define, for example {} at byte {}",
                        plural(parts.size(), "part"), parts.front().what, parts.front().offset),
            everywhere(note),
            "A program may use this content when it runs the model, but check cannot examine the "
            "content.",
            parts.size());
}

// --- the graph ---

void value_missing(const Model& model, Found& found) {
  Places places;
  std::unordered_set<std::string_view> known;
  for (const onnx::ValueInfo& input : model.file.inputs) known.insert(input.name);
  for (const std::string& constant : model.file.sparse_constants) known.insert(constant);
  const auto is_known = [&](std::string_view name) {
    return name.empty() || known.contains(name) || model.constants.contains(name) ||
           model.makers.contains(name);
  };
  for (const onnx::Node& node : model.file.nodes) {
    for (const std::string& input : node.inputs) {
      if (!is_known(input)) places.add(input);
    }
  }
  for (const onnx::ValueInfo& output : model.file.outputs) {
    if (!is_known(output.name)) places.add(output.name);
  }
  found.add(places, "value", "the graph uses this value, but no node computes it",
            everywhere(error), kDamaged);
}

void value_made_twice(const Model& model, Found& found) {
  Places places;
  for (const onnx::Node& node : model.file.nodes) {
    for (const std::string& output : node.outputs) {
      if (output.empty()) continue;
      const bool again = model.makers.at(output) != &node;
      // onnx::read() lists the tensor of a Constant node with the initializers, under the name of
      // the node's output. This entry does not mean that the file stores the value twice.
      const bool constant = node.op_type != "Constant" && model.constants.contains(output);
      if (again || constant) places.add(output);
    }
  }
  found.add(places, "value", "the file computes or stores this value more than once",
            everywhere(error), kDamaged);
}

// Reports nodes in the wrong order, and nodes that can never run: nodes in a cycle, and nodes that
// need a result from a cycle.
void node_order(const Model& model, Found& found) {
  std::unordered_map<const onnx::Node*, std::size_t> waiting;
  std::vector<const onnx::Node*> ready;
  Places early;
  std::unordered_set<const onnx::Node*> seen;
  for (const onnx::Node& node : model.file.nodes) {
    std::unordered_set<const onnx::Node*> needed;
    bool is_early = false;
    for (const std::string& input : node.inputs) {
      const onnx::Node* maker = input.empty() ? nullptr : model.maker_of(input);
      if (maker == nullptr) continue;
      needed.insert(maker);
      is_early = is_early || !seen.contains(maker);
    }
    if (is_early) early.add(name_of(node));
    seen.insert(&node);
    waiting[&node] = needed.size();
    if (needed.empty()) ready.push_back(&node);
  }
  std::size_t done = 0;
  while (!ready.empty()) {
    const onnx::Node* node = ready.back();
    ready.pop_back();
    ++done;
    std::unordered_set<const onnx::Node*> told;
    for (const std::string& output : node->outputs) {
      const auto users = model.users.find(output);
      if (output.empty() || users == model.users.end() || model.makers.at(output) != node) continue;
      for (const onnx::Node* user : users->second) {
        if (told.insert(user).second && --waiting[user] == 0) ready.push_back(user);
      }
    }
  }
  const std::size_t stuck = model.file.nodes.size() - done;
  if (stuck > 0) {
    found.add(fmt::format("{} in a cycle: each node needs the result of another of these nodes",
                          plural(stuck, "node")),
              everywhere(error), kDamaged, stuck);
    return;
  }
  found.add(early, "node", "comes before the node whose result it uses", everywhere(warning),
            "ONNX requires nodes in the order of execution. Create the file again.");
}

constexpr std::array kFileRules = {
    Rule{"opset-missing", opset_missing},
    Rule{"opset-too-new", opset_too_new},
    Rule{"opset-too-old", opset_too_old},
    Rule{"ir-too-new", ir_too_new},
    Rule{"metadata-contradict", metadata_contradict},
    Rule{"not-aethernet", not_aethernet},
    Rule{"unknown-part", unknown_part},
};

constexpr std::array kGraphRules = {
    Rule{"value-missing", value_missing},
    Rule{"value-made-twice", value_made_twice},
    Rule{"node-order", node_order},
};

}  // namespace

std::span<const Rule> file_rules() { return kFileRules; }
std::span<const Rule> graph_rules() { return kGraphRules; }

}  // namespace aether2onnx::judge::check
