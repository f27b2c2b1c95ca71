// Scans ONNX files: judges all operators, all functions, and the names of files with weights.
// onnx::read() refuses files that programs read in different ways.

#include "formats/onnx/onnx.h"
#include "base/error.h"
#include "base/text.h"
#include "judge/onnx_operators.h"
#include "judge/scan/scan.h"

namespace aether2onnx::judge::scan {

namespace {

void judge_tensor(const onnx::Tensor& tensor, Collector& collector) {
  if (tensor.external_file.empty()) return;
  const std::string name = printable(tensor.external_file, 100);
  if (!onnx::is_beside(tensor.external_file)) {
    collector.found("external-path", "the weights are in '{}', outside the file's folder", name);
    return;
  }
  collector.note("external-data", "weights are in the file '{}' in the same folder", name);
  // The offset and length may have only digits: programs read other texts in different ways.
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

void judge_functions(const onnx::Model& model, Collector& collector) {
  for (const onnx::Function& function : model.functions) {
    if (!replaces_operator(function)) continue;
    collector.unclear("operator-replaced",
                      "the file defines a function with the name of a known operator: {}",
                      printable(full_name({"", function.name, function.domain, {}, {}, {}}), 120));
  }
  const std::uint64_t nodes = expanded_nodes(model);
  if (nodes == kEndless) {
    collector.unclear("functions", "a function of the file calls itself");
  } else if (nodes > kTooManyNodes) {
    collector.unclear(
        "functions", "with each call replaced by the function's nodes, the graph has over {} nodes",
        with_thousands(kTooManyNodes));
  }
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
  judge_functions(model, collector);
  for (const onnx::UnknownPart& part : model.unknown_parts) {
    collector.unclear("onnx-unknown", "the file has {} at byte {}, which ONNX does not define",
                      part.what, part.offset);
  }
  // ONNX Runtime reads settings from the metadata key ort_config if an environment variable allows
  // this. Source: inference_session_utils.h of ONNX Runtime.
  if (model.find_metadata("ort_config") != nullptr) {
    collector.unclear("onnx-settings",
                      "the metadata contain settings for ONNX Runtime (ort_config)");
  }
}

}  // namespace aether2onnx::judge::scan
