// Scans ONNX files: examines all operators, all functions, and the paths of files with weights.
// onnx::read() throws if programs could read the ONNX file in different ways. scan_onnx() reports
// this error as a finding.

#include "formats/onnx/onnx.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "judge/onnx_operators.h"
#include "judge/scan/scan.h"

namespace aether2onnx::judge::scan {

namespace {

constexpr int kString = 8;  // TensorProto.DataType

void judge_tensor(const onnx::Tensor& tensor, Collector& collector) {
  if (tensor.external_file.empty()) return;
  const std::string name = printable(tensor.external_file, 100);
  if (!onnx::is_beside(tensor.external_file)) {
    collector.found("external-path", "the weights are in '{}', outside the file's folder", name);
    return;
  }
  collector.note("external-data", "weights are in the file '{}' in the same folder", name);
  // The offset and length of external weights are texts. Only digits are allowed, because programs
  // read all other texts in different ways.
  for (const std::string& number : {tensor.external_offset, tensor.external_bytes}) {
    constexpr std::size_t digits = 18;
    if (number.empty() || (only_digits(number) && number.size() <= digits)) continue;
    collector.unclear("external-place",
                      "the offset or length '{}' of weights in '{}' is not a plain number",
                      printable(number, 40), name);
  }
}

void judge_node(const onnx::Model& model, const onnx::Node& node, Collector& collector) {
  const Power power = power_of(node);
  if (power == Power::computes) return;
  if (power == Power::unknown && model.function_of(node) != nullptr) return;
  const std::string name = printable(full_name(node), 120);
  if (power == Power::loads) {
    collector.found("operator-loads", "the operator {} {}", name, load_text(node));
  } else {
    collector.unclear("operator", "the file needs an operator that scan does not know: {}", name);
  }
}

// Reports a string tensor whose number of strings does not match its shape. ONNX Runtime creates
// all strings that the shape requires before it counts the strings in the file. So a small file
// with a large shape could need much memory.
void judge_texts(const onnx::Tensor& tensor, Collector& collector) {
  if (tensor.data_type != kString || !tensor.external_file.empty()) return;
  const auto elements = checked_product(tensor.dims);
  if (elements && static_cast<std::uint64_t>(*elements) == tensor.pieces.size()) return;
  collector.unclear("tensor-shape",
                    "the tensor '{}' has {}, but its shape requires another number of strings",
                    printable(tensor.name, 60), plural(tensor.pieces.size(), "string"));
}

// Reports sparse tensors and deeply nested graphs. For both, the memory or the time of ONNX Runtime
// can grow much faster than the file's size.
void judge_growth(const onnx::Model& model, Collector& collector) {
  // ONNX Runtime turns a sparse tensor into a dense tensor, which may need much more memory. ONNX
  // Runtime 1.20 also does not check the indices and can write outside its memory.
  if (model.sparse_tensors > 0) {
    collector.unclear("sparse-tensor",
                      "the file has {}; `scan` does not examine the content of sparse tensors",
                      plural(model.sparse_tensors, "sparse tensor"));
  }
  // The load time of ONNX Runtime 1.20 doubles with each level of graphs inside graphs. Each
  // function can add levels, because an inner graph can call a function that has inner graphs, too.
  constexpr std::size_t most_levels = 6;
  const std::size_t levels =
      static_cast<std::size_t>(model.graph_depth) +
      static_cast<std::size_t>(model.function_graph_depth) * model.functions.size();
  if (levels > most_levels) {
    collector.unclear(
        "nested-graphs",
        "the file nests graphs {} levels deep, so ONNX Runtime may load the file very slowly",
        levels);
  }
}

// Reports functions that replace known operators, call themselves or make the graph too large.
// Returns false if a function calls itself or the graph would become too large.
bool judge_functions(const onnx::Model& model, Collector& collector) {
  for (const onnx::Function& function : model.functions) {
    if (!replaces_operator(function)) continue;
    collector.unclear("operator-replaced",
                      "the file replaces a known operator by its own function: {}",
                      printable(full_name({"", function.name, function.domain, {}, {}, {}}), 120));
  }
  // When ONNX Runtime loads the file, it replaces each call of a function by the function's nodes.
  // So a small file can become a huge graph.
  std::uint64_t stored = 0;
  model.each_node([&](const onnx::Node&) { ++stored; });
  const std::uint64_t most = std::min(kTooManyNodes, 10'000 + 100 * stored);
  const std::uint64_t nodes = expanded_nodes(model);
  if (nodes == kEndless) {
    collector.unclear("functions", "a function of the file calls itself");
  } else if (nodes > most) {
    collector.unclear(
        "functions",
        "if each call is replaced by the function's nodes, the graph has over {} nodes",
        with_thousands(most));
  }
  return nodes <= most;
}

}  // namespace

void scan_onnx(const File& file) {
  Collector& collector = file.collector;
  collector.set_container("ONNX");
  onnx::Model model;
  try {
    model = onnx::read(file.input, file.context);
  } catch (const Error& error) {
    collector.unclear("onnx", error);
    return;
  }
  model.each_tensor([&](const onnx::Tensor& tensor) { judge_tensor(tensor, collector); });
  model.each_node([&](const onnx::Node& node) { judge_node(model, node, collector); });
  model.each_tensor([&](const onnx::Tensor& tensor) { judge_texts(tensor, collector); });
  judge_growth(model, collector);
  if (judge_functions(model, collector)) judge_constants(model, file);
  for (const onnx::UnknownPart& part : model.unknown_parts) {
    collector.unclear("onnx-unknown", "the file has {} at byte {}; ONNX does not define this part",
                      part.what, part.offset);
  }
  // ONNX Runtime reads settings from the metadata key ort_config if an environment variable allows
  // this. Source: inference_session_utils.h of ONNX Runtime.
  if (model.find_metadata("ort_config") != nullptr) {
    collector.unclear("onnx-settings",
                      "the metadata contain ort_config, settings that can change how ONNX Runtime "
                      "runs the model");
  }
}

}  // namespace aether2onnx::judge::scan
