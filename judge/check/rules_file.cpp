// The file's versions, the graph as a whole, what the metadata say.

#include <array>

#include "base/error.h"
#include "base/text.h"
#include "judge/check/rules.h"
#include "network/network.h"
#include "report/report.h"

namespace aether2onnx::checks {

namespace {

constexpr std::int64_t kTensorRtOldestOpset = 9;
constexpr std::int64_t kOnnxRuntimeOldestOpset = 7;
constexpr std::int64_t kUsualOpset = 17;
constexpr std::int64_t kOlderOpset = 15;  // which ONNX Runtime 1.10 takes

void opset_missing(const Model& model, Found& found) {
  if (model.opset > 0) return;
  found.push_back({"the file names no opset of ONNX's own operators", everywhere(Severity::error),
                   "Convert the checkpoint again: aether2onnx MODEL.pth"});
}

void opset_too_new(const Model& model, Found& found) {
  if (model.opset <= 0) return;
  const Version from_tensorrt = first_tensorrt_of_opset(model.opset);
  const Version from_onnxruntime = first_onnxruntime_of_opset(model.opset);
  std::vector<Concern> concerns;
  if (from_tensorrt != kFirst) {
    concerns.push_back(tensorrt(Severity::error, before(from_tensorrt)));
  }
  if (from_onnxruntime != kFirst) {
    concerns.push_back(onnxruntime(Severity::error, before(from_onnxruntime)));
  }
  if (concerns.empty()) return;
  found.push_back(
      {fmt::format("the model is of opset {}", model.opset), std::move(concerns),
       model.has_type(type::bfloat16)
           ? kInsteadOfBfloat16
           : fmt::format("Convert with a lower one: aether2onnx MODEL.pth --opset_version {}",
                         model.opset > kUsualOpset ? kUsualOpset : kOlderOpset)});
}

void opset_too_old(const Model& model, Found& found) {
  if (model.opset <= 0) return;
  std::vector<Concern> concerns;
  if (model.opset < kTensorRtOldestOpset) {
    concerns.push_back(tensorrt(Severity::error, since(version(10))));
  }
  if (model.opset < kOnnxRuntimeOldestOpset) concerns.push_back(onnxruntime(Severity::error));
  if (concerns.empty()) return;
  found.push_back({fmt::format("the model is of opset {}", model.opset), std::move(concerns),
                   "Convert with a higher one: aether2onnx MODEL.pth --opset_version 17"});
}

void ir_too_new(const Model& model, Found& found) {
  const Version from = first_onnxruntime_of_ir(model.file.ir_version);
  if (from == kFirst) return;
  const bool known = model.opset >= kMinOpset && model.opset <= kMaxOpset;
  const int needed = known ? onnx::ir_version(static_cast<int>(model.opset)) : 0;
  // Where the opset alone asks for such a version, opset_too_new has said it.
  if (known && model.file.ir_version <= needed) return;
  if (first_onnxruntime_of_opset(model.opset) >= from && model.opset > 0) return;
  found.push_back(
      {fmt::format("the file is of IR version {}{}", model.file.ir_version,
                   known ? fmt::format("; opset {} needs {}", model.opset, needed) : ""),
       {onnxruntime(Severity::error, before(from))},
       "Convert the checkpoint: aether2onnx writes the lowest IR version that the opset permits."});
}

void metadata_contradict(const Model& model, Found& found) {
  auto network =
      network::recognise(onnx::outline_of(model.file), report::noted_network(model.file));
  if (!network) return;
  const std::vector<std::string> differences = report::check_metadata(
      model.file, report::describe_onnx(model.file).precision, network->facts);
  if (differences.empty()) return;
  std::string what = differences.front();
  if (differences.size() > 1) what += fmt::format(" (and {} more)", differences.size() - 1);
  found.push_back({std::move(what), everywhere(Severity::warning),
                   "Trust the graph; convert the checkpoint again for metadata that fit.",
                   differences.size()});
}

void not_aethernet(const Model& model, Found& found) {
  if (network::recognise(onnx::outline_of(model.file), report::noted_network(model.file))) return;
  found.push_back({"the graph is of a network that isn't an AetherNet", everywhere(Severity::note),
                   "The other rules hold all the same; `aether2onnx inspect` says what is in it."});
}

// --- the graph ---

// Values that nothing makes, and values made after they are used.
void value_missing(const Model& model, Found& found) {
  Places places;
  std::unordered_set<std::string_view> known;
  for (const onnx::FileValue& input : model.file.inputs) known.insert(input.name);
  const auto is_known = [&](std::string_view name) {
    return name.empty() || known.contains(name) || model.constants.contains(name) ||
           model.makers.contains(name);
  };
  for (const onnx::FileNode& node : model.file.nodes) {
    for (const std::string& input : node.inputs) {
      if (!is_known(input)) places.add(input);
    }
  }
  for (const onnx::FileValue& output : model.file.outputs) {
    if (!is_known(output.name)) places.add(output.name);
  }
  if (places.empty()) return;
  found.push_back({places.text("value") + ": used, and made by no node",
                   everywhere(Severity::error), "The file is damaged; make it again.",
                   places.count});
}

void value_made_twice(const Model& model, Found& found) {
  Places places;
  for (const onnx::FileNode& node : model.file.nodes) {
    for (const std::string& output : node.outputs) {
      if (output.empty()) continue;
      const bool again = model.makers.at(output) != &node;
      // A Constant's tensor is listed among the constants under the same name.
      const bool constant = node.op_type != "Constant" && model.constants.contains(output);
      if (again || constant) places.add(output);
    }
  }
  if (places.empty()) return;
  found.push_back({places.text("value") + ": made more than once", everywhere(Severity::error),
                   "The file is damaged; make it again.", places.count});
}

// The nodes that can't run since they wait for each other: what is left when all that can is done.
void node_order(const Model& model, Found& found) {
  std::unordered_map<const onnx::FileNode*, std::size_t> waiting;
  std::vector<const onnx::FileNode*> ready;
  Places early;
  std::unordered_set<const onnx::FileNode*> seen;
  for (const onnx::FileNode& node : model.file.nodes) {
    std::unordered_set<const onnx::FileNode*> before;
    bool is_early = false;
    for (const std::string& input : node.inputs) {
      const auto maker = model.makers.find(input);
      if (input.empty() || maker == model.makers.end()) continue;
      before.insert(maker->second);
      is_early = is_early || !seen.contains(maker->second);
    }
    if (is_early) early.add(name_of(node));
    seen.insert(&node);
    waiting[&node] = before.size();
    if (before.empty()) ready.push_back(&node);
  }
  std::size_t done = 0;
  while (!ready.empty()) {
    const onnx::FileNode* node = ready.back();
    ready.pop_back();
    ++done;
    std::unordered_set<const onnx::FileNode*> told;
    for (const std::string& output : node->outputs) {
      const auto users = model.users.find(output);
      if (output.empty() || users == model.users.end() || model.makers.at(output) != node) continue;
      for (const onnx::FileNode* user : users->second) {
        if (told.insert(user).second && --waiting[user] == 0) ready.push_back(user);
      }
    }
  }
  const std::size_t stuck = model.file.nodes.size() - done;
  if (stuck > 0) {
    found.push_back(
        {fmt::format("{} in a circle: each waits for what another makes", plural(stuck, "node")),
         everywhere(Severity::error), "The file is damaged; make it again.", stuck});
  } else if (!early.empty()) {
    found.push_back({early.text("node") + ": before the node whose result is used",
                     everywhere(Severity::warning),
                     "ONNX wants nodes in the order of execution; make the file again.",
                     early.count});
  }
}

constexpr std::array kFileRules = {
    Rule{"opset-missing", opset_missing},
    Rule{"opset-too-new", opset_too_new},
    Rule{"opset-too-old", opset_too_old},
    Rule{"ir-too-new", ir_too_new},
    Rule{"metadata-contradict", metadata_contradict},
    Rule{"not-aethernet", not_aethernet},
};

constexpr std::array kGraphRules = {
    Rule{"value-missing", value_missing},
    Rule{"value-made-twice", value_made_twice},
    Rule{"node-order", node_order},
};

}  // namespace

std::span<const Rule> file_rules() { return kFileRules; }
std::span<const Rule> graph_rules() { return kGraphRules; }

}  // namespace aether2onnx::checks
