#include "onnx_info.h"

#include <algorithm>
#include <map>

#include "base/checked.h"
#include "base/text.h"
#include "graph/passes/passes.h"
#include "pipeline.h"

namespace aether2onnx {

bool is_weight(const onnx::Tensor& tensor) {
  const auto dtype = onnx::dtype_of(tensor.data_type);
  return !tensor.dims.empty() && (!dtype || is_weight_dtype(*dtype));
}

std::uint64_t elements_of(const onnx::Tensor& tensor) {
  return static_cast<std::uint64_t>(checked_product(tensor.dims).value_or(0));
}

namespace {

using TypeCounts = std::map<std::string, std::uint64_t>;

// Returns the names of the types in `counts`, the most frequent first: "float16 + float32".
std::string types_text(const TypeCounts& counts) {
  std::vector<std::string> types;
  for (const auto& [type, count] : pipeline::by_frequency(counts)) types.push_back(type);
  return join(types, " + ");
}

TypeCounts weight_types(const onnx::Model& file) {
  TypeCounts types;
  for (const onnx::Tensor& tensor : file.initializers) {
    if (is_weight(tensor)) ++types[onnx::type_text(tensor.data_type)];
  }
  return types;
}

// If all weights and inputs have one float type, returns "fp32", "fp16" or "bf16". If they have
// several types, returns the precision in the file's metadata, provided that a file of this
// precision can have these types. Otherwise returns the names of the types.
std::string precision_text(const onnx::Model& file) {
  TypeCounts types = weight_types(file);
  for (const onnx::ValueInfo* input : onnx::open_inputs(file)) {
    if (input->elem_type != 0) ++types[onnx::type_text(input->elem_type)];
  }
  // Returns whether a file of `precision` can have exactly the types in `types`. The type in which
  // `precision` computes convolutions must be present. float32 may be present as well. All other
  // types are impossible.
  const auto possible = [&types](Precision precision) {
    const std::string own(to_string(graph::compute_type(precision)));
    return types.contains(own) &&
           types.size() == 1 + (own == "float32" ? 0 : types.count("float32"));
  };
  const std::string* noted = file.find_metadata("precision");
  for (const Precision precision : {Precision::fp32, Precision::fp16, Precision::bf16,
                                    Precision::mixed_fp16, Precision::mixed_bf16}) {
    if (!possible(precision)) continue;
    if (types.size() == 1 && !is_mixed(precision)) return std::string(to_string(precision));
    if (noted != nullptr && *noted == to_string(precision)) return *noted;
  }
  return types_text(types);
}

}  // namespace

TensorInfo describe_value(const onnx::ValueInfo& value) {
  TensorInfo info{value.name, value.elem_type == 0 ? "no tensor" : onnx::type_text(value.elem_type),
                  value.dims};
  for (std::string& dim : info.shape) {
    if (dim.empty()) dim = "?";
  }
  return info;
}

SourceInfo describe_source(const onnx::Model& file) {
  SourceInfo source;
  source.container = "ONNX";
  for (const onnx::Tensor& tensor : file.initializers) {
    if (!is_weight(tensor)) continue;
    ++source.tensors;
    source.parameters =
        checked_add(source.parameters, elements_of(tensor)).value_or(~std::uint64_t{0});
  }
  const TypeCounts types = weight_types(file);
  source.dtype = types.empty() ? "no weights" : types_text(types);
  return source;
}

OnnxInfo describe_onnx(const onnx::Model& file) {
  OnnxInfo result;
  result.ir_version = file.ir_version;
  result.opsets = file.opsets;
  result.producer_name = file.producer_name;
  result.producer_version = file.producer_version;
  result.precision = precision_text(file);
  for (const onnx::ValueInfo* input : onnx::open_inputs(file)) {
    result.inputs.push_back(describe_value(*input));
  }
  for (const onnx::ValueInfo& output : file.outputs) {
    result.outputs.push_back(describe_value(output));
  }
  std::map<std::string, std::uint64_t> operators;
  file.each_node([&](const onnx::Node& node) {
    const bool is_onnx = onnx::is_onnx_domain(node.domain);
    if (is_onnx && node.op_type == "Constant") return;
    ++operators[is_onnx ? node.op_type : node.domain + "." + node.op_type];
  });
  result.operators = pipeline::by_frequency(operators);
  for (const auto& [name, count] : result.operators) result.nodes += count;
  result.metadata = file.metadata;
  result.external_files = onnx::external_files(file);
  return result;
}

}  // namespace aether2onnx
