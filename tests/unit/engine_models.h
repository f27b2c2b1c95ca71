/// @file
/// Models as exporters might write them, for tests of what TensorRT must know.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <algorithm>
#include <string>
#include <vector>

#include "check_models.h"
#include "judge/engine/engine.h"

namespace aether2onnx::test {

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

inline bool any_contains(const std::vector<std::string>& texts, const std::string& part) {
  return std::any_of(texts.begin(), texts.end(),
                     [&](const std::string& text) { return contains(text, part); });
}

inline bool has(const std::vector<std::string>& arguments, const std::string& argument) {
  return std::find(arguments.begin(), arguments.end(), argument) != arguments.end();
}

// A file as an exporter might write it: weights of one type, edges of that type or of float32.
inline onnx::Model file_of(const std::string& precision, bool mixed, bool dynamic, int opset = 16) {
  const int type = precision == "fp16" ? kHalf : precision == "bf16" ? kBfloat16 : kFloat;
  const int edge = mixed ? kFloat : type;
  onnx::Model file;
  file.ir_version = 8;
  file.opsets = {{"", opset}};
  const std::vector<std::string> dims =
      dynamic ? std::vector<std::string>{"batch_size", "3", "height", "width"}
              : std::vector<std::string>{"1", "3", "64", "64"};
  file.inputs = {{"input", edge, dims}};
  file.outputs = {{"output", edge, {"1", "3", "128", "128"}}};
  onnx::Tensor weight;
  weight.name = "w";
  weight.data_type = type;
  weight.dims = {8, 3, 3, 3};
  file.initializers = {weight};
  file.nodes = {{"c", "Conv", "", {"input", "w"}, {"output"}, {}}};
  if (precision == "int8") file.nodes.push_back({"q", "QuantizeLinear", "", {}, {}, {}});
  if (dynamic) {
    file.metadata = {{"min_shape", "input:1x3x32x40"},
                     {"opt_shape", "input:1x3x64x80"},
                     {"max_shape", "input:4x3x256x320"}};
  }
  return file;
}

inline EngineModel model_of(const onnx::Model& file) {
  EngineModel model = judge::engine::describe(file);
  model.path = "dir/2x_net.onnx";
  return model;
}

}  // namespace aether2onnx::test
