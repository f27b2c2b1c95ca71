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
