#include "metadata.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "network/network.h"

namespace aether2onnx::metadata {

namespace {

using Entries = std::vector<std::pair<std::string, std::string>>;

constexpr const char* kFp32Blocks = "fp32_blocks";

// The metadata keys that entries() omits if the value is the default.
constexpr std::array<const char*, 12> kOptionalKeys = {
    "io_type",        "graph_form", "projections",    "split_kernels_over", "gelu",
    "fp32_operators", "norm_type",  "depthwise_fp32", "channel_attention",  "spatial_attention",
    "res_scale",      "img_range"};

Entries network_entries(const NetworkInfo& network) {
  Entries entries = {
      {"architecture", network.architecture},
      {"generation", network.generation},
      {"model_type", network.model_type},
      {"scale", fmt::format("{}", network.scale)},
      {"input_channels", fmt::format("{}", network.input_channels)},
      {"embed_dim", fmt::format("{}", network.embed_dim)},
      {"depths", join(network.depths)},
      {"hidden_dim", fmt::format("{}", network.hidden_dim)},
      {"large_kernel", fmt::format("{}", network.large_kernel)},
  };
  if (network.norm_type != NormType::layernorm) {
    entries.emplace_back("norm_type", to_string(network.norm_type));
  }
  for (const char* name : {"channel_attention", "spatial_attention"}) {
    if (network.has(name)) entries.emplace_back(name, "true");
  }
  for (const char* name : {"res_scale", "img_range"}) {
    const double number = network.number(name, 1);
    if (number != 1) entries.emplace_back(name, fmt::format("{}", number));
  }
  return entries;
}

}  // namespace

std::string shape_text(const InputShape& shape, std::int64_t channels, std::int64_t Axis::*end) {
  const auto size = [end](const Axis& axis) { return axis.dynamic ? axis.*end : axis.opt; };
  return fmt::format("{}x{}x{}x{}", size(shape.batch), channels, size(shape.height),
                     size(shape.width));
}

Entries entries(const ConvertReport& report) {
  const GraphInfo& graph = report.graph;
  Entries entries = network_entries(report.network);
  const auto add = [&entries](const char* key, std::string_view value) {
    entries.emplace_back(key, value);
  };
  const std::string fused_from = network::fused_from(report.network);
  add("fused_from", fused_from.empty() ? "already fused checkpoint" : fused_from);
  add("precision", to_string(graph.precision));
  add("shape", graph.shape.is_dynamic() ? "dynamic" : "static");
  for (const auto& [key, size] : kProfile) {
    add(key, "input:" + shape_text(graph.shape, report.network.input_channels, size));
  }
  add("source_name", printable(report.source.name));
  add("source_sha256", report.source.sha256);
  add("aether2onnx_version", version());
  if (graph.io_type != default_io_type(graph.precision)) add("io_type", to_string(graph.io_type));
  if (graph.form != GraphForm::standard) add("graph_form", to_string(graph.form));
  if (graph.projections != Projections::conv) add("projections", to_string(graph.projections));
  if (graph.split_kernels_over) {
    add("split_kernels_over", fmt::format("{}", *graph.split_kernels_over));
  }
  const bool has_gelu = graph.opset_version >= kMinOpsetOfGelu;
  if (has_gelu && graph.gelu == GeluForm::erf) add("gelu", to_string(graph.gelu));
  if (!graph.fp32_operators.empty()) add("fp32_operators", join(graph.fp32_operators, ","));
  if (graph.depthwise_fp32) add("depthwise_fp32", "true");
  if (!graph.fp32_blocks.empty()) add(kFp32Blocks, join(graph.fp32_blocks, ","));
  // If the checkpoint has several state dicts, this entry names the converted state dict. "/" is
  // the state dict at the root of the checkpoint.
  if (!report.source.other_wrappers.empty()) {
    add("source_state_dict",
        report.source.wrapper.empty() ? "/" : printable(report.source.wrapper));
  }
  return entries;
}

// --- comparing --------------------------------------------------------------------------------

namespace {

std::string tensor_text(const TensorInfo& tensor) {
  return fmt::format("{} [{}]", tensor.name, join(tensor.shape, ", "));
}
std::string tensor_text(const onnx::ValueInfo& value) {
  return fmt::format("{} [{}]", value.name, join(value.dims, ", "));
}

// Returns a text with the names and shapes of the tensors: "input [1, 3, 64, 64], …".
template <typename Tensor>
std::string tensors_text(const std::vector<Tensor>& tensors) {
  std::vector<std::string> texts;
  for (const Tensor& tensor : tensors) texts.push_back(tensor_text(tensor));
  return join(texts, ", ");
}

// Returns whether a list of modules, "a,b", has all modules in `wanted` and no others. With
// `may_be_more`, other modules are allowed.
bool same_blocks(std::string_view list, const std::vector<std::string>& wanted, bool may_be_more) {
  const std::vector<std::string_view> parts = split(list, ',');
  const std::set<std::string_view> blocks(parts.begin(), parts.end());
  const std::set<std::string_view> expected(wanted.begin(), wanted.end());
  if (!may_be_more) return blocks == expected;
  return std::includes(blocks.begin(), blocks.end(), expected.begin(), expected.end());
}

}  // namespace

std::string difference(const onnx::Model& file, const ConvertReport& planned,
                       bool more_fp32_blocks) {
  const auto differs = [](std::string_view what, std::string_view found, std::string_view wanted) {
    return fmt::format("its {} is {}, not {}", what, printable(found), printable(wanted));
  };
  const auto wanted_entries = entries(planned);
  for (const auto& [key, wanted] : wanted_entries) {
    if (key == "source_name" || key == "source_sha256" || key == kFp32Blocks) continue;
    const std::string* found = file.find_metadata(key);
    if (found == nullptr) return fmt::format("its metadata has no {}", key);
    if (*found != wanted) return differs(key, *found, wanted);
  }
  for (const char* const key : kOptionalKeys) {
    const bool wanted = std::any_of(wanted_entries.begin(), wanted_entries.end(),
                                    [&](const auto& entry) { return entry.first == key; });
    const std::string* found = file.find_metadata(key);
    if (found != nullptr && !wanted) return differs(key, *found, "the usual value");
  }
  const std::string* blocks = file.find_metadata(kFp32Blocks);
  const std::vector<std::string>& wanted_blocks = planned.graph.fp32_blocks;
  if (!same_blocks(blocks == nullptr ? "" : *blocks, wanted_blocks, more_fp32_blocks)) {
    return differs(kFp32Blocks, blocks == nullptr ? "none" : *blocks,
                   wanted_blocks.empty() ? "none" : join(wanted_blocks, ","));
  }
  const std::vector<std::array<std::string, 3>> sides = {
      {"opset_version", fmt::format("{}", onnx::default_opset(file)),
       fmt::format("{}", planned.graph.opset_version)},
      {"input", tensors_text(file.inputs), tensors_text(planned.graph.inputs)},
      {"output", tensors_text(file.outputs), tensors_text(planned.graph.outputs)}};
  for (const auto& [what, found, wanted] : sides) {
    if (found != wanted) return differs(what, found, wanted);
  }
  return "";
}

// --- reading ----------------------------------------------------------------------------------

namespace {

// Returns the numbers in a text such as "4,4,4,4", or an empty list if a part is no number.
std::vector<std::int64_t> numbers_of(std::string_view text) {
  std::vector<std::int64_t> numbers;
  for (const std::string_view part : split(text, ',')) {
    const auto number = parse_number<std::int64_t>(part);
    if (!number) return {};
    numbers.push_back(*number);
  }
  return numbers;
}

// Returns the metadata value of `key`, or "" if the file does not have the key.
std::string text_of(const onnx::Model& file, std::string_view key) {
  const std::string* found = file.find_metadata(key);
  return found == nullptr ? std::string() : *found;
}

}  // namespace

Assumed assumed(const onnx::Model& file) {
  const auto text = [&](const char* key) { return text_of(file, key); };
  if (text("architecture").empty() || text("generation").empty()) return {};
  Assumed assumed;
  assumed.generation = text("generation");
  // Returns 1 for a missing key, because entries() omits the value 1; nullopt for a damaged number.
  const auto number = [&](const char* key) {
    return text(key).empty() ? std::optional<double>(1) : parse_number<double>(text(key));
  };
  assumed.res_scale = number("res_scale");
  assumed.img_range = number("img_range");
  // Reads the epsilon of the norms. The metadata text `fused_from` may end with this number:
  // "…; norms with eps 0.0001".
  const std::string fused_from = text("fused_from");
  constexpr std::string_view eps = " eps ";
  const std::size_t at = fused_from.find(eps);
  if (at != std::string::npos) {
    assumed.norm_eps = parse_number<double>(std::string_view(fused_from).substr(at + eps.size()));
  }
  for (std::optional<double>* each : {&assumed.res_scale, &assumed.norm_eps, &assumed.img_range}) {
    if (*each && !(**each > 0 && std::isfinite(**each))) each->reset();
  }
  return assumed;
}

namespace {

// Returns the value in `choices` for which to_string() returns `name`; nullopt if there is none.
template <typename Choice>
std::optional<Choice> choice(std::string_view name, std::initializer_list<Choice> choices) {
  for (const Choice each : choices) {
    if (to_string(each) == name) return each;
  }
  return std::nullopt;
}

std::vector<std::string> names_of(std::string_view list) {
  std::vector<std::string> names;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    names.emplace_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return names;
}

// Returns the sizes in "input:1x3x64x64", or an empty list if the text has another form.
std::vector<std::int64_t> sizes_of(std::string text) {
  constexpr std::string_view input = "input:";
  if (!text.starts_with(input)) return {};
  text.erase(0, input.size());
  std::replace(text.begin(), text.end(), 'x', ',');
  return numbers_of(text);
}

// Returns the shape of the model's input, with the ranges of dynamic axes from the metadata.
// Returns nullopt if the model or its metadata do not have the form that aether2onnx writes.
std::optional<InputShape> shape_of(const onnx::Model& file) {
  const std::vector<const onnx::ValueInfo*> inputs = onnx::open_inputs(file);
  if (inputs.size() != 1 || inputs[0]->dims.size() != 4) return std::nullopt;
  std::array<std::vector<std::int64_t>, kProfile.size()> ends;
  for (std::size_t i = 0; i < ends.size(); ++i) {
    const std::string* text = file.find_metadata(kProfile.at(i).key);
    if (text == nullptr) return std::nullopt;
    ends.at(i) = sizes_of(*text);
    if (ends.at(i).size() != 4) return std::nullopt;
  }
  const auto axis = [&](std::size_t index) {
    if (numbers_of(inputs[0]->dims[index]).size() == 1) return Axis::fixed(ends[1][index]);
    return Axis::range(ends[0][index], ends[1][index], ends[2][index]);
  };
  return InputShape{axis(0), axis(2), axis(3)};
}

}  // namespace

std::optional<ConvertOptions> options(const onnx::Model& file) {
  const auto text = [&](const char* key) {
    const std::string* found = file.find_metadata(key);
    return found == nullptr ? std::string() : *found;
  };
  if (text("architecture").empty() || text("aether2onnx_version").empty()) return std::nullopt;
  ConvertOptions options;
  const auto precision =
      choice(text("precision"), {Precision::fp32, Precision::fp16, Precision::bf16,
                                 Precision::mixed_fp16, Precision::mixed_bf16});
  const auto shape = shape_of(file);
  if (!precision || !shape) return std::nullopt;
  options.precision = *precision;
  options.shape = *shape;
  options.opset_version = static_cast<int>(onnx::default_opset(file));
  const auto optional = [&](const char* key, auto choices, auto& option) {
    if (text(key).empty()) return true;
    const auto chosen = choice(text(key), choices);
    if (chosen) option = *chosen;
    return chosen.has_value();
  };
  const bool known =
      optional("io_type", std::initializer_list<IoType>{IoType::same, IoType::fp32},
               options.io_type) &&
      optional("graph_form",
               std::initializer_list<GraphForm>{GraphForm::standard, GraphForm::channels_first},
               options.graph_form) &&
      optional("projections",
               std::initializer_list<Projections>{Projections::conv, Projections::matmul},
               options.projections) &&
      optional("gelu", std::initializer_list<GeluForm>{GeluForm::op, GeluForm::erf}, options.gelu);
  if (!known) return std::nullopt;
  if (const auto size = numbers_of(text("split_kernels_over")); size.size() == 1) {
    options.split_kernels_over = static_cast<int>(std::clamp<std::int64_t>(size[0], 0, 99));
  }
  options.fp32_operators = names_of(text("fp32_operators"));
  options.depthwise_fp32 = text("depthwise_fp32") == "true";
  options.fp32_blocks = names_of(text(kFp32Blocks));
  try {
    validate(options);
  } catch (const Error&) {
    return std::nullopt;
  }
  return options;
}

std::string other_network(const onnx::Model& file, const NetworkInfo& network) {
  constexpr std::array<std::string_view, 4> not_of_size = {"generation", "model_type", "res_scale",
                                                           "img_range"};
  for (const auto& [key, value] : network_entries(network)) {
    if (std::find(not_of_size.begin(), not_of_size.end(), key) != not_of_size.end()) continue;
    const std::string* noted = file.find_metadata(key);
    if (noted == nullptr || *noted == value) continue;
    return fmt::format(
        "The model was made from a network with {} {}, but the network in the checkpoint has {}.",
        key, printable(*noted, 60), value);
  }
  return "";
}

NetworkInfo network(const onnx::Model& file) {
  NetworkInfo network;
  const auto text = [&](const char* key) { return text_of(file, key); };
  network.architecture = text("architecture");
  network.generation = text("generation");
  network.model_type = text("model_type");
  network.depths = numbers_of(text("depths"));
  for (const char* name : {"res_scale", "img_range"}) {
    if (const auto number = parse_number<double>(text(name))) network.numbers[name] = *number;
  }
  return network;
}

std::vector<Diagnostic> contradictions(const onnx::Model& file, const std::string& precision,
                                       NetworkInfo& network) {
  const NetworkInfo noted = metadata::network(file);
  if (noted.architecture != network.architecture) return {};
  // The model type is the name of the published network whose sizes are all equal to the sizes of
  // this network, or "custom" if there is none. A fused graph does not show the size of the small
  // kernel, because fusing merges the small kernel into the large kernel. So a published name for
  // the fused graph does not contradict "custom" in the metadata, and `network` gets "custom".
  if (network.fused && noted.model_type == "custom") network.model_type = noted.model_type;
  // The graph does not show res_scale and img_range, because both are folded into the weights. So
  // `network` gets the values in the metadata.
  network.numbers = noted.numbers;
  Entries facts = network_entries(network);
  facts.emplace_back("precision", precision);
  std::vector<Diagnostic> found;
  for (const auto& [key, value] : facts) {
    const std::string* text = file.find_metadata(key);
    if (text == nullptr || *text == value) continue;
    const std::string noted_value = printable(*text, 60);
    found.push_back({"onnx-metadata", key, value, noted_value,
                     fmt::format("the metadata contradict the graph: {} is '{}' in the metadata, "
                                 "and {} in the graph",
                                 key, noted_value, value)});
  }
  return found;
}

}  // namespace aether2onnx::metadata
