#include "onnx_checker.h"

#include <onnx/checker.h>
#include <onnx/defs/schema.h>
#include <onnx/shape_inference/implementation.h>

#include <map>

namespace aether2onnx::test {

int checker_max_opset() {
  return onnx::OpSchemaRegistry::DomainToVersionRange::Instance().Map().at("").second;
}

onnx::ModelProto parse_model(std::span<const std::byte> bytes) {
  onnx::ModelProto model;
  if (!model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    throw std::runtime_error("protobuf can't parse the model");
  }
  return model;
}

namespace {

// "" where `inferred` says nothing else than `stated`. Inference loses a symbol where it would have
// to multiply it; what it knows must agree.
std::string compare(const onnx::ValueInfoProto& stated, const onnx::ValueInfoProto& inferred) {
  const auto& a = stated.type().tensor_type();
  const auto& b = inferred.type().tensor_type();
  if (a.elem_type() != b.elem_type()) return stated.name() + ": another type is inferred";
  if (!b.has_shape()) return stated.name() + ": no shape is inferred";
  if (a.shape().dim_size() != b.shape().dim_size()) return stated.name() + ": another rank";
  for (int i = 0; i < a.shape().dim_size(); ++i) {
    const auto& said = a.shape().dim(i);
    const auto& found = b.shape().dim(i);
    if (found.has_dim_value() && (!said.has_dim_value() || said.dim_value() != found.dim_value())) {
      return stated.name() + ": another size is inferred for axis " + std::to_string(i);
    }
    if (found.has_dim_param() && said.has_dim_value()) {
      return stated.name() + ": axis " + std::to_string(i) + " is fixed, but depends on the input";
    }
  }
  return "";
}

}  // namespace

namespace {

// What the operator takes and makes, from ONNX's list of operators: of all inputs of type T one
// type, which the output has as well. For which types T may stand from which opset on is in the
// table.
struct Signature {
  int inputs;             // how many of them are T
  int opset_of_bfloat16;  // the first whose T may be bfloat16
  int opset_of_operator;
};

const std::map<std::string, Signature>& signatures() {
  static const std::map<std::string, Signature> table = {
      {"Conv", {3, 22, 1}},          {"Add", {2, 13, 7}},
      {"Sub", {2, 13, 7}},           {"Mul", {2, 13, 7}},
      {"Div", {2, 13, 7}},           {"Pow", {2, 13, 7}},
      {"Sqrt", {1, 13, 6}},          {"Erf", {1, 13, 9}},
      {"ReduceMean", {1, 13, 1}},    {"Transpose", {1, 13, 1}},
      {"DepthToSpace", {1, 13, 11}}, {"LeakyRelu", {1, 16, 6}},
      {"Gelu", {1, 20, 20}},         {"LayerNormalization", {3, 17, 17}},
      {"Sigmoid", {1, 13, 6}},       {"Relu", {1, 13, 6}},
      {"ReduceMax", {1, 13, 1}},     {"GlobalAveragePool", {1, 22, 1}},
      {"Concat", {1000, 13, 4}},     {"MatMul", {2, 13, 1}}};
  return table;
}

}  // namespace

std::string check_types(const onnx::ModelProto& model) {
  const auto& graph = model.graph();
  const std::int64_t opset = model.opset_import(0).version();
  std::map<std::string, int> types;
  for (const auto& tensor : graph.initializer()) types[tensor.name()] = tensor.data_type();
  for (const auto& input : graph.input()) {
    types[input.name()] = input.type().tensor_type().elem_type();
  }
  std::map<std::string, int> stated;
  for (const auto& value : graph.value_info()) {
    stated[value.name()] = value.type().tensor_type().elem_type();
  }
  for (const auto& value : graph.output()) {
    stated[value.name()] = value.type().tensor_type().elem_type();
  }
  for (const auto& node : graph.node()) {
    int made = 0;
    if (node.op_type() == "Cast") {
      for (const auto& attribute : node.attribute()) {
        if (attribute.name() == "to") made = static_cast<int>(attribute.i());
      }
      if (made == types.at(node.input(0))) return node.name() + ": a Cast to the type that it has";
    } else {
      const auto found = signatures().find(node.op_type());
      if (found == signatures().end()) return node.name() + ": an operator without signature";
      const Signature& signature = found->second;
      made = types.at(node.input(0));
      if (opset < signature.opset_of_operator) return node.name() + ": not in this opset";
      for (int i = 0; i < node.input_size(); ++i) {
        const int type = types.at(node.input(i));
        const int wanted = i < signature.inputs ? made : onnx::TensorProto::INT64;
        if (type != wanted)
          return node.name() + ": input " + std::to_string(i) + " is of another type";
      }
      if (made == onnx::TensorProto::BFLOAT16 && opset < signature.opset_of_bfloat16) {
        return node.name() + ": bfloat16 isn't allowed in this opset";
      }
    }
    types[node.output(0)] = made;
    if (stated.at(node.output(0)) != made)
      return node.output(0) + ": is said to be of another type";
  }
  return "";
}

std::string check_with_libonnx(const onnx::ModelProto& model) {
  try {
    onnx::checker::check_model(model);
    onnx::ModelProto bare = model;
    bare.mutable_graph()->clear_value_info();
    const onnx::ShapeInferenceOptions strict(true, 1, false);
    onnx::shape_inference::InferShapes(bare, onnx::OpSchemaRegistry::Instance(), strict);
    onnx::ModelProto annotated = model;
    onnx::shape_inference::InferShapes(annotated, onnx::OpSchemaRegistry::Instance(), strict);

    std::map<std::string, onnx::ValueInfoProto> inferred;
    for (const auto& value : bare.graph().value_info()) inferred[value.name()] = value;
    for (const auto& value : model.graph().value_info()) {
      const auto found = inferred.find(value.name());
      if (found == inferred.end()) return value.name() + ": nothing is inferred";
      if (std::string problem = compare(value, found->second); !problem.empty()) return problem;
    }
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

}  // namespace aether2onnx::test
