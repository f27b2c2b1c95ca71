// Reads a whole ONNX file into a Model. Checks the protobuf form of every field. The Model stores
// neither documentation nor the devices on which nodes run (DeviceConfigurationProto).

#include <algorithm>
#include <array>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "formats/onnx/proto.h"
#include "formats/onnx/records.h"

namespace aether2onnx::onnx {

namespace {

void take_training(Fields fields, Model& model) {
  while (fields.next()) {
    if (fields.number() != training_info_proto::initialization &&
        fields.number() != training_info_proto::algorithm) {
      continue;
    }
    GraphReader(model,
                {model.inner_nodes, model.other_tensors, model.value_info, model.inner_inputs})
        .take_graph(fields.message());
  }
}

void take_function(Fields fields, Model& model) {
  Function function;
  function.first_tensor = model.other_tensors.size();
  GraphReader body(model, {function.nodes, model.other_tensors, function.value_info,
                           function.inner_inputs, true});
  while (fields.next()) {
    switch (fields.number()) {
      case function_proto::domain:
        function.domain = fields.text();
        break;
      case function_proto::name:
        function.name = fields.text();
        break;
      case function_proto::overload:
        function.overload = fields.text();
        break;
      case function_proto::input:
        function.inputs.push_back(fields.text());
        break;
      case function_proto::output:
        function.outputs.push_back(fields.text());
        break;
      case function_proto::node:
        body.take_node(fields.message());
        break;
      case function_proto::value_info:
        function.value_info.push_back(value_info(fields.message()));
        break;
      case function_proto::attribute_proto:
        body.take_default(fields.message());
        break;
      default:
        break;
    }
  }
  const std::string domain = is_onnx_domain(function.domain) ? "" : function.domain;
  const auto [place, is_new] = model.function_places.emplace(
      std::tuple(domain, function.name, function.overload), model.functions.size());
  if (!is_new) {
    fail({ErrorKind::malformed,
          "onnx-name-twice",
          fmt::format("byte {}", fields.place()),
          {},
          function.name},
         "the ONNX file defines the function '{}' twice, at byte {}. Some readers use the first "
         "definition, others the last.",
         printable(function.name, 100), fields.place());
  }
  function.end_tensor = model.other_tensors.size();
  model.functions.push_back(std::move(function));
}

// Reads one opset_import of the model. `versions` has the version of each domain so far. A domain
// may occur again, but only with the same version.
void take_opset(Fields fields, std::map<std::string, std::int64_t>& versions, Model& model) {
  auto [domain, version] = opset(fields);
  const auto [known, is_new] = versions.emplace(is_onnx_domain(domain) ? "" : domain, version);
  if (!is_new && known->second != version) {
    fail({ErrorKind::malformed, "onnx-opset-twice", fmt::format("byte {}", fields.place()),
          fmt::format("{}", known->second), fmt::format("{}", version)},
         "the ONNX file states two versions, {} and {}, of the operators in the domain '{}', at "
         "byte {}. Some readers use the first version, others the last or the highest.",
         known->second, version, printable(domain, 100), fields.place());
  }
  model.opsets.emplace_back(std::move(domain), version);
}

void take_graph(Fields fields, Model& model) {
  GraphReader graph(model, {model.nodes, model.initializers, model.value_info, model.inner_inputs,
                            false, &model.sparse_constants});
  model.graph_name = graph.take_graph(fields, &model.inputs, &model.outputs);
}

}  // namespace

bool is_onnx_domain(std::string_view domain) { return domain.empty() || domain == "ai.onnx"; }

const std::string* Model::find_metadata(std::string_view key) const {
  const auto found = std::find_if(metadata.begin(), metadata.end(),
                                  [&](const auto& entry) { return entry.first == key; });
  return found == metadata.end() ? nullptr : &found->second;
}

const Function* Model::function_of(const Node& node) const {
  const auto found = function_places.find(
      {is_onnx_domain(node.domain) ? "" : node.domain, node.op_type, node.overload});
  return found == function_places.end() ? nullptr : &functions[found->second];
}

Model read(const Input& input, const Context& context) {
  Model model;
  Source source(input, context, model.unknown_parts);
  Fields fields(source, Kind::model);
  Names keys("metadata entries");
  std::map<std::string, std::int64_t> versions;
  bool has_graph = false;
  while (fields.next()) {
    switch (fields.number()) {
      case model_proto::ir_version:
        model.ir_version = fields.integer();
        break;
      case model_proto::producer_name:
        model.producer_name = fields.text();
        break;
      case model_proto::producer_version:
        model.producer_version = fields.text();
        break;
      case model_proto::opset_import:
        take_opset(fields.message(), versions, model);
        break;
      case model_proto::metadata_props:
        model.metadata.push_back(string_entry(fields.message()));
        keys.add(model.metadata.back().first, fields.begin());
        break;
      case model_proto::training_info:
        take_training(fields.message(), model);
        break;
      case model_proto::functions:
        take_function(fields.message(), model);
        break;
      case model_proto::graph:
        take_graph(fields.message(), model);
        has_graph = true;
        break;
      default:
        break;
    }
  }
  if (!has_graph) {
    fail({ErrorKind::malformed, "onnx-malformed"},
         "the file is no ONNX model, or a damaged one: it has no graph.");
  }
  return model;
}

int ir_version(int opset) {
  struct Row {
    int opset;
    int ir;
  };
  constexpr std::array rows = {Row{11, 6},  Row{12, 7},  Row{15, 8}, Row{19, 9},
                               Row{21, 10}, Row{23, 11}, Row{24, 12}};
  int version = rows.front().ir;
  for (const Row& row : rows) {
    if (opset >= row.opset) version = row.ir;
  }
  return version;
}

std::vector<const ValueInfo*> open_inputs(const Model& model) {
  std::set<std::string_view> given;
  for (const Tensor& tensor : model.initializers) given.insert(tensor.name);
  given.insert(model.sparse_constants.begin(), model.sparse_constants.end());
  std::vector<const ValueInfo*> inputs;
  for (const ValueInfo& input : model.inputs) {
    if (!given.contains(input.name)) inputs.push_back(&input);
  }
  return inputs;
}

std::vector<std::string> external_files(const Model& model) {
  std::vector<std::string> files;
  std::set<std::string_view> known;
  model.each_tensor([&](const Tensor& tensor) {
    if (tensor.external_file.empty() || !known.insert(tensor.external_file).second) return;
    files.push_back(tensor.external_file);
  });
  return files;
}

std::int64_t default_opset(const Model& model) {
  std::int64_t opset = 0;
  for (const auto& [domain, number] : model.opsets) {
    if (is_onnx_domain(domain)) opset = number;
  }
  return opset;
}

}  // namespace aether2onnx::onnx
