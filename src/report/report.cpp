#include "report/report.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "judge/engine/engine.h"

namespace aether2onnx::report {

namespace {

constexpr const char* kStateDictKey = "source_state_dict";
constexpr const char* kFp32BlocksKey = "fp32_blocks";

}  // namespace

std::string dtypes_text(const std::vector<DType>& dtypes) {
  std::map<DType, std::size_t> counts;
  for (const DType dtype : dtypes) ++counts[dtype];
  std::vector<std::pair<DType, std::size_t>> by_frequency(counts.begin(), counts.end());
  std::stable_sort(by_frequency.begin(), by_frequency.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text;
  for (const auto& [dtype, count] : by_frequency) {
    text += fmt::format("{}{}", text.empty() ? "" : " + ", to_string(dtype));
  }
  return text;
}

Report::Source describe_source(const state_dict::StateDict& state_dict) {
  Report::Source source;
  source.container = state_dict.container();
  source.wrapper = state_dict.wrapper();
  source.other_wrappers = state_dict.other_wrappers();
  for (const Input* file : state_dict.files()) source.bytes += file->size();
  source.tensors = state_dict.entries().size();
  std::vector<DType> dtypes;
  for (const state_dict::Entry& entry : state_dict.entries()) {
    if (!entry.tensor) continue;
    source.parameters += static_cast<std::uint64_t>(entry.tensor->elements);
    dtypes.push_back(entry.tensor->dtype);
  }
  source.dtype = dtypes_text(dtypes);
  return source;
}

namespace {

TensorInfo describe_value(const graph::Graph& graph, graph::ValueId id) {
  const graph::Value& value = graph.value(id);
  TensorInfo info{value.name, std::string(to_string(value.dtype)), {}};
  for (const graph::Dim& dim : value.shape) info.shape.push_back(onnx::dim_text(dim, graph, id));
  return info;
}

std::uint64_t elements_of(const graph::Shape& shape) {
  std::uint64_t elements = 1;
  for (const graph::Dim& dim : shape) elements *= static_cast<std::uint64_t>(dim.value);
  return elements;
}

}  // namespace

Report::Graph describe_graph(const graph::Graph& graph, const Options& options) {
  Report::Graph result;
  result.opset_version = options.opset();
  result.ir_version = onnx::ir_version(options.opset());
  result.precision = options.precision;
  result.io_type = options.edges();
  result.form = options.graph_form;
  result.depthwise_fp32 = options.depthwise_fp32;
  result.fp32_blocks = options.fp32_blocks;
  result.shape = options.shape;
  result.nodes = graph.nodes().size();
  std::map<std::string, std::uint64_t> operators;
  for (const graph::Node& node : graph.nodes()) ++operators[node.op];
  result.operators.assign(operators.begin(), operators.end());
  std::stable_sort(result.operators.begin(), result.operators.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  result.initializers = graph.initializers().size();
  for (const graph::Initializer& initializer : graph.initializers()) {
    if (initializer.is_parameter) {
      result.parameters += elements_of(graph.value(initializer.value).shape);
    }
  }
  for (const graph::ValueId id : graph.inputs()) {
    result.inputs.push_back(describe_value(graph, id));
  }
  for (const graph::ValueId id : graph.outputs()) {
    result.outputs.push_back(describe_value(graph, id));
  }
  return result;
}

namespace {

// " ('params_ema'; also there: 'params')": which state dict was taken, and what else is on offer.
std::string choice_text(const Report::Source& source) {
  constexpr std::size_t shown = 4;
  std::string others;
  for (std::size_t i = 0; i < std::min(source.other_wrappers.size(), shown); ++i) {
    const std::string& other = source.other_wrappers[i];
    others += fmt::format("{}'{}'", i == 0 ? "" : ", ", other.empty() ? "/" : printable(other, 60));
  }
  if (source.other_wrappers.size() > shown) {
    others += fmt::format(" and {} more", source.other_wrappers.size() - shown);
  }
  if (source.wrapper.empty() && others.empty()) return "";
  return fmt::format(" ('{}'{})", source.wrapper.empty() ? "/" : printable(source.wrapper),
                     others.empty() ? "" : "; also there: " + others);
}

}  // namespace

std::string summarize(const Report::Source& source) {
  return fmt::format("{}, {}{}, {}, {}, {}", human_bytes(source.bytes), source.container,
                     choice_text(source), plural(source.tensors, "tensor"),
                     plural(source.parameters, "parameter"), source.dtype);
}

std::string summarize(const Report::Network& network) {
  std::string text = fmt::format(
      "{} {}, {} x{}, {}, embed_dim {}, depths {}, hidden {}, kernel {}, {}", network.architecture,
      network.generation, network.model_type, network.scale,
      plural(static_cast<std::uint64_t>(network.input_channels), "channel"), network.embed_dim,
      join(network.depths), network.hidden_dim,
      network.fused ? fmt::format("{}", network.large_kernel)
                    : fmt::format("{} + {}", network.large_kernel, network.small_kernel),
      network.fused ? "fused" : "unfused");
  // What is as usual isn't told.
  if (network.channel_attention) text += ", channel attention";
  if (network.spatial_attention) text += ", spatial attention";
  if (network.norm_type == "deployment") text += ", deployment norms";
  if (network.res_scale != 1) text += fmt::format(", res_scale {}", network.res_scale);
  if (network.img_range != 1) text += fmt::format(", img_range {}", network.img_range);
  if (network.quantization == "qat") text += ", from quantization-aware training";
  if (network.quantization == "int8") text += ", dequantized from int8";
  for (const Evidence& evidence : network.evidence) {
    if (evidence.what == "generation") {
      text += fmt::format("; {} by {}", evidence.value, evidence.because);
    }
  }
  return text;
}

std::string summarize(const fusion::Fusion& fusion) {
  if (fusion.convolutions == 0) return "the checkpoint is fused already";
  std::string text = fmt::format(
      "{} pairs of depthwise convolutions into one each, summed in float64", fusion.convolutions);
  if (fusion.norms > 0) text += fmt::format("; {} with statistics", plural(fusion.norms, "norm"));
  return text;
}

std::string summarize(const fusion::Folding& folding) {
  std::vector<std::string> parts;
  const auto add = [&parts](std::size_t count, const char* what) {
    if (count > 0) parts.push_back(plural(count, what));
  };
  add(folding.norms, "norm");
  add(folding.temperatures, "temperature");
  add(folding.factors, "factor");
  add(folding.shifts, "shift");
  return parts.empty() ? "" : join(parts, ", ") + " into the weights of convolutions";
}

std::string summarize(const Report::Graph& graph, const precision::Typed& typed) {
  std::string text = fmt::format("{} in {}", plural(typed.half_convolutions, "convolution"),
                                 to_string(precision::heavy_type(graph.precision)));
  std::vector<std::string> wide;
  const auto add = [&wide](std::size_t count, const char* what) {
    if (count > 0) wide.push_back(plural(count, what));
  };
  add(typed.float32_convolutions, "convolution");
  add(typed.float32_normalizations, "normalization");
  add(typed.float32_sums, "sum");
  if (!wide.empty()) text += fmt::format("; in float32 {}", join(wide, ", "));
  return text + fmt::format("; {}", plural(typed.casts, "cast"));
}

std::string explain_weights_out_of_range(const Report::Graph& graph) {
  return fmt::format("weights beyond float16's range (65504) keep {} in float32: {}",
                     plural(graph.fp32_for_weights.size(), "convolution"),
                     join(graph.fp32_for_weights, ", "));
}

std::vector<std::pair<std::string, std::string>> network_facts(const Report::Network& network) {
  std::vector<std::pair<std::string, std::string>> facts = {
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
  // What is as usual isn't noted.
  if (network.norm_type != "layernorm") facts.emplace_back("norm_type", network.norm_type);
  if (network.channel_attention) facts.emplace_back("channel_attention", "true");
  if (network.spatial_attention) facts.emplace_back("spatial_attention", "true");
  if (network.res_scale != 1) {
    facts.emplace_back("res_scale", fmt::format("{}", network.res_scale));
  }
  if (network.img_range != 1) {
    facts.emplace_back("img_range", fmt::format("{}", network.img_range));
  }
  return facts;
}

std::vector<std::pair<std::string, std::string>> metadata(const Report& report) {
  const Report::Network& network = report.network;
  const Report::Graph& graph = report.graph;
  const std::string fused_from = network::fused_from(network);
  const auto profile = [&](std::int64_t Axis::*which) {
    return "input:" + tensorrt::shape_text(graph.shape, network.input_channels, which);
  };
  std::vector<std::pair<std::string, std::string>> entries = network_facts(network);
  const std::vector<std::pair<std::string, std::string>> others = {
      {"fused_from", fused_from.empty() ? "already fused checkpoint" : fused_from},
      {"precision", std::string(to_string(graph.precision))},
      {"shape", graph.shape.is_dynamic() ? "dynamic" : "static"},
      {"min_shape", profile(&Axis::min)},
      {"opt_shape", profile(&Axis::opt)},
      {"max_shape", profile(&Axis::max)},
      {"source_name", printable(report.source.name)},
      {"source_sha256", report.source.sha256},
      {"aether2onnx_version", std::string(version())},
  };
  entries.insert(entries.end(), others.begin(), others.end());
  // What is as usual isn't noted.
  if (graph.io_type != default_io_type(graph.precision)) {
    entries.emplace_back("io_type", to_string(graph.io_type));
  }
  if (graph.form != GraphForm::standard) entries.emplace_back("graph_form", to_string(graph.form));
  if (graph.depthwise_fp32) entries.emplace_back("depthwise_fp32", "true");
  if (!graph.fp32_blocks.empty()) {
    entries.emplace_back(kFp32BlocksKey, join(graph.fp32_blocks, ","));
  }
  // Which of several state dicts in the file it was made of.
  if (!report.source.other_wrappers.empty()) {
    entries.emplace_back(kStateDictKey,
                         report.source.wrapper.empty() ? "/" : printable(report.source.wrapper));
  }
  return entries;
}

namespace {

// "input [1, 3, 64, 64], …": names and shapes, for comparison.
std::string shapes_text(const std::vector<TensorInfo>& tensors) {
  std::vector<std::string> texts;
  texts.reserve(tensors.size());
  for (const TensorInfo& tensor : tensors) {
    texts.push_back(fmt::format("{} [{}]", tensor.name, join(tensor.shape, ", ")));
  }
  return join(texts, ", ");
}

std::string shapes_text(const std::vector<onnx::FileValue>& values) {
  std::vector<std::string> texts;
  texts.reserve(values.size());
  for (const onnx::FileValue& value : values) {
    texts.push_back(fmt::format("{} [{}]", value.name, join(value.dims, ", ")));
  }
  return join(texts, ", ");
}

// Whether a list "a,b" of a file has these parts, and no others where it mayn't have more.
bool same_blocks(std::string_view found, const std::vector<std::string>& wanted, bool may_be_more) {
  std::set<std::string_view> blocks;
  while (!found.empty()) {
    const std::size_t end = std::min(found.find(','), found.size());
    blocks.insert(found.substr(0, end));
    found.remove_prefix(std::min(end + 1, found.size()));
  }
  const std::set<std::string_view> expected(wanted.begin(), wanted.end());
  if (!may_be_more) return blocks == expected;
  return std::includes(blocks.begin(), blocks.end(), expected.begin(), expected.end());
}

}  // namespace

std::string difference_from(const onnx::File& file, const Report& planned, bool more_fp32_blocks) {
  const auto differs = [](std::string_view what, std::string_view found, std::string_view wanted) {
    return fmt::format("its {} is {}, not {}", what, printable(found), printable(wanted));
  };
  const auto entries = metadata(planned);
  for (const auto& [key, wanted] : entries) {
    if (key == "source_name" || key == "source_sha256" || key == kFp32BlocksKey) continue;
    const std::string* found = file.find_metadata(key);
    if (found == nullptr) return fmt::format("its metadata has no {}", key);
    if (*found != wanted) return differs(key, *found, wanted);
  }
  for (const char* key : {"io_type", "graph_form", "depthwise_fp32", "norm_type",
                          "channel_attention", "spatial_attention", "res_scale", "img_range"}) {
    const bool wanted = std::any_of(entries.begin(), entries.end(),
                                    [&](const auto& entry) { return entry.first == key; });
    const std::string* found = file.find_metadata(key);
    if (found != nullptr && !wanted) return differs(key, *found, "as usual");
  }
  const std::string* blocks = file.find_metadata(kFp32BlocksKey);
  if (!same_blocks(blocks == nullptr ? "" : *blocks, planned.graph.fp32_blocks, more_fp32_blocks)) {
    return differs(
        kFp32BlocksKey, blocks == nullptr ? "none" : *blocks,
        planned.graph.fp32_blocks.empty() ? "none" : join(planned.graph.fp32_blocks, ","));
  }
  const std::int64_t opset = onnx::default_opset(file);
  if (opset != planned.graph.opset_version) {
    return differs("opset_version", fmt::format("{}", opset),
                   fmt::format("{}", planned.graph.opset_version));
  }
  const auto compare = [&](const char* what, const std::vector<onnx::FileValue>& found,
                           const std::vector<TensorInfo>& wanted) {
    const std::string found_text = shapes_text(found);
    const std::string wanted_text = shapes_text(wanted);
    return found_text == wanted_text ? "" : differs(what, found_text, wanted_text);
  };
  std::string difference = compare("input", file.inputs, planned.graph.inputs);
  if (difference.empty()) difference = compare("output", file.outputs, planned.graph.outputs);
  return difference;
}

}  // namespace aether2onnx::report
