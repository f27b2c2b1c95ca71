#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "results.h"

namespace aether2onnx::cli {

namespace {

// --- the result of `inspect`, as text ---------------------------------------------------------

// Returns a short text for a large number: "12.3 billion". Below a million, returns all digits.
std::string large_number(std::uint64_t number) {
  constexpr std::uint64_t thousand = 1000;
  static constexpr std::array<const char*, 5> units = {"million", "billion", "trillion",
                                                       "quadrillion", "quintillion"};
  if (number < thousand * thousand) return with_thousands(number);
  double value = static_cast<double>(number) / 1e6;
  std::size_t unit = 0;
  while (value >= 999.95 && unit + 1 < units.size()) {
    value /= thousand;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, units[unit]);
}

void print_cost(Console& console, const NetworkCost& cost,
                const std::optional<NetworkCost>& fused) {
  const auto once_fused = [&](const std::string& text) {
    return fused ? fmt::format(" ({} once fused)", text) : std::string();
  };
  console.line("parameters", with_thousands(cost.parameters) +
                                 once_fused(fused ? with_thousands(fused->parameters) : ""));
  console.line(
      "work",
      fmt::format("{} multiply-adds for each megapixel of output{}",
                  large_number(cost.multiply_adds_per_megapixel),
                  once_fused(fused ? large_number(fused->multiply_adds_per_megapixel) : "")));
  console.line(
      "memory",
      fmt::format("{} of weights, {} of feature maps for each megapixel of output; precision {}",
                  human_bytes(cost.weight_bytes), human_bytes(cost.activation_bytes_per_megapixel),
                  printable(cost.precision)));
}

std::string value_text(const TensorInfo& value) {
  std::vector<std::string> shape;
  for (const std::string& dim : value.shape) shape.push_back(printable(dim));
  return fmt::format("{} {} [{}]", printable(value.name), value.dtype, fmt::join(shape, ", "));
}

void print_onnx(Console& console, const OnnxInfo& onnx) {
  std::string opsets;
  for (const auto& [domain, version] : onnx.opsets) {
    opsets += fmt::format("{}opset {}{}", opsets.empty() ? "" : ", ", version,
                          domain.empty() ? "" : fmt::format(" of {}", printable(domain)));
  }
  console.line("onnx",
               fmt::format("{}, IR {}, {}, {}, made by {} {}", opsets, onnx.ir_version,
                           onnx.precision, plural(onnx.nodes, "node"),
                           onnx.producer_name.empty() ? "unknown" : printable(onnx.producer_name),
                           printable(onnx.producer_version)));
  std::string operators;
  for (const auto& [name, count] : onnx.operators) {
    operators += fmt::format("{}{} {}", operators.empty() ? "" : ", ", count, printable(name));
  }
  console.line("operators", operators);
  constexpr std::size_t shown_inputs = 4;  // the most to print: each weight may be an input
  for (std::size_t i = 0; i < std::min(onnx.inputs.size(), shown_inputs); ++i) {
    console.line("input", value_text(onnx.inputs[i]));
  }
  if (onnx.inputs.size() > shown_inputs) {
    console.line("", fmt::format("and {} more", onnx.inputs.size() - shown_inputs));
  }
  for (const TensorInfo& output : onnx.outputs) console.line("output", value_text(output));
  for (const std::string& file : onnx.external_files) {
    console.line("weights in", printable(file));
  }
  for (const auto& [key, value] : onnx.metadata) {
    console.line("metadata", fmt::format("{} = {}", printable(key), printable(value)));
  }
}

std::string number_text(const std::optional<double>& number) {
  return number ? fmt::format("{:.4g}", *number) : "-";
}

// Prints a table with a row for each tensor: name, shape, type, smallest, largest and mean value.
// If a tensor's elements were not read, the row contains the reason instead of the values.
void print_tensors(Console& console, const std::vector<InspectedTensor>& tensors) {
  std::size_t name_width = 4;
  std::size_t shape_width = 5;
  for (const InspectedTensor& tensor : tensors) {
    name_width = std::max(name_width, printable(tensor.name).size());
    shape_width = std::max(shape_width, shape_text(tensor.shape).size());
  }
  console.plain("");
  console.plain(fmt::format("{:<{}}  {:<{}}  {:<8}  {:>11}  {:>11}  {:>11}  {}", "name", name_width,
                            "shape", shape_width, "type", "min", "max", "mean", "NaN/Inf"));
  for (const InspectedTensor& tensor : tensors) {
    std::string line = fmt::format("{:<{}}  {:<{}}  {:<8}  ", printable(tensor.name), name_width,
                                   tensor.dtype.empty() ? "-" : shape_text(tensor.shape),
                                   shape_width, tensor.dtype.empty() ? "-" : tensor.dtype);
    line += tensor.problem.empty()
                ? fmt::format("{:>11}  {:>11}  {:>11}  {}", number_text(tensor.min),
                              number_text(tensor.max), number_text(tensor.mean),
                              tensor.nan + tensor.infinite == 0
                                  ? "0"
                                  : fmt::format("{}/{}", tensor.nan, tensor.infinite))
                : tensor.problem;
    console.plain(line);
  }
}

// Prints `text`, which may have several lines, in the log. Only the first line begins with `name`.
void print_lines(Console& console, const std::string& name, const std::string& text) {
  std::size_t begin = 0;
  for (std::size_t end = 0; end != std::string::npos; begin = end + 1) {
    end = text.find('\n', begin);
    console.line(begin == 0 ? name : "", text.substr(begin, end - begin));
  }
}

}  // namespace

void print_inspection(Console& console, const InspectRequest& request,
                      const Inspection& inspection) {
  console.line("file", shown(request.file));
  console.line("", summary(inspection.source));
  console.line("sha256", inspection.source.sha256);
  if (inspection.network) {
    console.line("network", summary(*inspection.network));
    for (const Evidence& evidence : inspection.network->evidence) {
      console.line(evidence.certain ? "" : "assumed",
                   fmt::format("{} {}: {}", evidence.what, evidence.value, evidence.because));
    }
  } else {
    print_lines(
        console, "network",
        "the file contains no network that can be converted: " + inspection.not_recognised.text);
  }
  std::string training;
  for (const auto& [key, value] : inspection.training) {
    training += fmt::format("{}{} {}", training.empty() ? "" : ", ", key, value);
  }
  if (!training.empty()) console.line("training", training);
  if (inspection.cost) print_cost(console, *inspection.cost, inspection.fused_cost);
  if (inspection.onnx) print_onnx(console, *inspection.onnx);
  for (const Diagnostic& warning : inspection.warnings) console.on_warning(warning);
  if (request.options.tensors) print_tensors(console, inspection.tensors);
}

// --- the result of `inspect`, as JSON ---------------------------------------------------------

namespace {

Json cost_json(const std::optional<NetworkCost>& cost) {
  if (!cost) return nullptr;
  return {{"parameters", cost->parameters},
          {"multiply_adds_per_megapixel", cost->multiply_adds_per_megapixel},
          {"weight_bytes", cost->weight_bytes},
          {"activation_bytes_per_megapixel", cost->activation_bytes_per_megapixel},
          {"precision", cost->precision}};
}

Json onnx_json(const std::optional<OnnxInfo>& onnx) {
  if (!onnx) return nullptr;
  Json opsets = Json::object();
  for (const auto& [domain, version] : onnx->opsets) opsets[domain] = version;
  return {{"opsets", opsets},
          {"ir_version", onnx->ir_version},
          {"producer_name", onnx->producer_name},
          {"producer_version", onnx->producer_version},
          {"precision", onnx->precision},
          {"inputs", tensors_json(onnx->inputs)},
          {"outputs", tensors_json(onnx->outputs)},
          {"nodes", onnx->nodes},
          {"operators", operators_json(onnx->operators)},
          {"metadata", pairs_json(onnx->metadata)},
          {"external_files", onnx->external_files}};
}

Json tensor_json(const InspectedTensor& tensor) {
  return {{"name", tensor.name},
          {"dtype", or_null(tensor.dtype)},
          {"shape", tensor.shape},
          {"min", or_null(tensor.min)},
          {"max", or_null(tensor.max)},
          {"mean", or_null(tensor.mean)},
          {"nan", tensor.nan},
          {"infinite", tensor.infinite},
          {"problem", or_null(tensor.problem)}};
}

}  // namespace

Json inspection_json(const Inspection& inspection, bool with_tensors) {
  Json json = result_json();
  json["source"] = source_json(inspection.source);
  json["network"] = inspection.network ? network_json(*inspection.network) : Json();
  json["not_recognised"] = nullptr;
  if (!inspection.network) {
    json["not_recognised"] = {{"code", inspection.not_recognised.code},
                              {"message", inspection.not_recognised.text},
                              {"findings", texts_json(inspection.findings)}};
  }
  json["training"] = pairs_json(inspection.training);
  json["cost"] = cost_json(inspection.cost);
  json["fused_cost"] = cost_json(inspection.fused_cost);
  json["onnx"] = onnx_json(inspection.onnx);
  json["tensors"] = nullptr;
  if (with_tensors) {
    json["tensors"] = Json::array();
    for (const InspectedTensor& tensor : inspection.tensors) {
      json["tensors"].push_back(tensor_json(tensor));
    }
  }
  add_warnings(json, inspection.warnings);
  return json;
}

}  // namespace aether2onnx::cli
