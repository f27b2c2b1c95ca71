#include "rewriting.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <variant>

#include "base/error.h"
#include "base/text.h"
#include "graph/graph.h"
#include "graph/passes/passes.h"
#include "graph/to_onnx.h"
#include "metadata.h"
#include "network/passes/passes.h"
#include "pipeline.h"

namespace aether2onnx::verify {

namespace {

constexpr std::size_t kListedAlterations = 20;

using Initializers = std::map<std::string, const onnx::Tensor*>;

Initializers by_name(const onnx::Model& model) {
  Initializers initializers;
  for (const onnx::Tensor& tensor : model.initializers) initializers[tensor.name] = &tensor;
  return initializers;
}

// Returns whether both models have the same nodes, and weights of the same names, types and shapes.
// Attributes of nodes and elements of weights may differ.
bool same_structure(const onnx::Model& a, const onnx::Model& b) {
  const auto same_node = [](const onnx::Node& x, const onnx::Node& y) {
    return x.name == y.name && x.op_type == y.op_type && x.domain == y.domain &&
           x.inputs == y.inputs && x.outputs == y.outputs;
  };
  if (!std::equal(a.nodes.begin(), a.nodes.end(), b.nodes.begin(), b.nodes.end(), same_node)) {
    return false;
  }
  const Initializers of_a = by_name(a);
  const Initializers of_b = by_name(b);
  return std::equal(of_a.begin(), of_a.end(), of_b.begin(), of_b.end(),
                    [](const auto& x, const auto& y) {
                      return x.first == y.first && x.second->data_type == y.second->data_type &&
                             x.second->dims == y.second->dims;
                    });
}

std::string text_of(const onnx::AttributeValue* value) {
  if (value == nullptr) return "absent";
  return std::visit(
      [](const auto& content) {
        using Content = std::decay_t<decltype(content)>;
        if constexpr (std::is_same_v<Content, std::string>) {
          return printable(content, 60);
        } else if constexpr (std::is_same_v<Content, std::vector<std::int64_t>>) {
          return fmt::format("[{}]", join(content, ", "));
        } else {
          return fmt::format("{}", content);
        }
      },
      *value);
}

// Returns the largest relative error of rounding a weight to `dtype`; 0 if `dtype` is no float
// type.
double unit_of_type(DType dtype) {
  switch (dtype) {
    case DType::float64:
      return 0x1p-53;
    case DType::float32:
      return 0x1p-24;
    case DType::float16:
      return 0x1p-11;
    case DType::bfloat16:
      return 0x1p-8;
    default:
      return 0;
  }
}

// Describes how the elements of two weights differ. Returns "" if all elements are equal. If
// `exact` is false, also returns "" if all differences are small enough to come from rounding.
std::string difference_of(const TensorData& found, const TensorData& expected, bool exact) {
  if (found.bytes == expected.bytes) return "";
  const double unit = unit_of_type(expected.dtype);
  if (unit == 0 || found.bytes.size() != expected.bytes.size()) return "has other elements";
  const std::vector<double> a = to_doubles(found.bytes, found.dtype);
  const std::vector<double> b = to_doubles(expected.bytes, expected.dtype);
  double squares = 0;
  for (const double value : b) squares += value * value;
  const double usual = std::sqrt(squares / static_cast<double>(std::max<std::size_t>(1, b.size())));
  // The largest allowed error of a weight, as a multiple of the relative rounding error of one
  // operation. The multiple is more than 1, because the converter computes some weights as sums,
  // and a sum whose terms nearly cancel loses some bits.
  constexpr double roundings = 8;
  std::uint64_t count = 0;
  std::size_t worst = 0;
  double largest = -1;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const double difference = std::abs(a[i] - b[i]);
    const double allowed = exact ? 0 : roundings * unit * std::max(std::abs(b[i]), usual);
    if (difference <= allowed) continue;
    ++count;
    if (difference <= largest) continue;
    largest = difference;
    worst = i;
  }
  if (count == 0) return "";
  if (b.size() == 1) return fmt::format("is {:.4g}, not {:.4g}", a[0], b[0]);
  return fmt::format("differs in {} of {}; element {} differs most and is {:.4g}, not {:.4g}",
                     count, plural(b.size(), "element"), worst, a[worst], b[worst]);
}

// Converts the checkpoint and returns the model. Each weight of the model has a function that loads
// the weight's elements later. These functions use `loss`, so `loss` must outlive the model.
onnx::Model converted(const state_dict::StateDict& checkpoint, const ConvertOptions& options,
                      const Context& context, graph::WeightLoss& loss) {
  std::vector<Step> steps;
  std::vector<Diagnostic> warnings;
  Context quiet;
  quiet.cancelled = context.cancelled;
  pipeline::Journal journal(steps, warnings, quiet);
  NetworkInfo facts;
  const network::Fused fusion =
      pipeline::recognise_and_fuse(checkpoint, options.read, options.expect, facts, journal);
  const network::Folded folding = network::fold(fusion.network);
  const graph::Graph plain =
      graph::build(folding.network, checkpoint, options.shape, options.graph_form);
  graph::TypeDecisions decisions;
  return graph::to_onnx(graph::run_passes(plain, options, true, decisions), options.opset(), loss);
}

}  // namespace

Rewriting compare_with_conversion(const Input& file, const onnx::Model& model,
                                  const io::Siblings* siblings,
                                  const state_dict::StateDict& checkpoint,
                                  const ReadOptions& reading, bool exact, const Context& context) {
  Rewriting result;
  std::optional<ConvertOptions> options = metadata::options(model);
  if (!options) {
    result.why_not = "the model's metadata do not contain the options of the conversion";
    return result;
  }
  options->read = reading;
  graph::WeightLoss loss;
  onnx::Model expected;
  try {
    expected = converted(checkpoint, *options, context, loss);
  } catch (const Error& error) {
    if (must_pass_on(error)) throw;
    result.why_not = fmt::format("a new conversion fails: {}", error.diagnostic.text);
    return result;
  }
  if (!same_structure(model, expected)) {
    result.why_not =
        "the model has other nodes than a new conversion: another version of aether2onnx made the "
        "model, or another program changed it";
    return result;
  }
  for (const onnx::Tensor& tensor : model.initializers) {
    if (tensor.external_file.empty() || onnx::is_beside(tensor.external_file)) continue;
    result.why_not = fmt::format("the weights are in '{}', which is not a plain file name",
                                 printable(tensor.external_file, 200));
    return result;
  }
  result.compared = true;
  const auto add = [&](const std::string& place, std::string text) {
    ++result.count;
    if (result.alterations.size() < kListedAlterations) {
      result.alterations.push_back({printable(place, 200), std::move(text)});
    }
  };
  const Initializers found_weights = by_name(model);
  const Initializers expected_weights = by_name(expected);
  std::set<std::string> seen;
  for (std::size_t i = 0; i < expected.nodes.size(); ++i) {
    context.check_cancelled();
    const onnx::Node& node = expected.nodes[i];
    std::set<std::string> names;
    for (const auto& [name, value] : node.attributes) names.insert(name);
    for (const auto& [name, value] : model.nodes[i].attributes) names.insert(name);
    for (const std::string& name : names) {
      const auto value_in = [&name](const onnx::Node& each) {
        const auto at = each.attributes.find(name);
        return at == each.attributes.end() ? nullptr : &at->second;
      };
      const onnx::AttributeValue* a = value_in(model.nodes[i]);
      const onnx::AttributeValue* b = value_in(node);
      if (a != nullptr && b != nullptr && *a == *b) continue;
      add(node.name, fmt::format("{} is {}, not {}", printable(name, 60), text_of(a), text_of(b)));
    }
    for (const std::string& input : node.inputs) {
      const auto at = expected_weights.find(input);
      if (at == expected_weights.end() || !seen.insert(input).second) continue;
      const std::string text = difference_of(
          onnx::read_tensor(*found_weights.at(input), file, siblings), at->second->load(), exact);
      if (!text.empty()) add(node.name, fmt::format("{} {}", input, text));
    }
  }
  return result;
}

}  // namespace aether2onnx::verify
