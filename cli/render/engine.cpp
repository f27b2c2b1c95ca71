#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "results.h"

namespace aether2onnx::cli {

namespace {

std::string types_text(const EngineModel& model) {
  std::string text = model.is_quantized ? "quantized" : "";
  const auto add = [&](bool has, const char* type) {
    if (has) text += (text.empty() ? "" : " + ") + std::string(type);
  };
  add(model.has_float16, "float16");
  add(model.has_bfloat16, "bfloat16");
  return text.empty() ? "float32" : text;
}

}  // namespace

Json engine_json(const EngineRequest& request, const EngineModel& model,
                 const TensorRtVersion& version, const std::string& origin,
                 const std::filesystem::path& trtexec, const std::filesystem::path& python) {
  Json json = result_json();
  json["model"] = {{"path", model.path.string()},
                   {"opset_version", model.opset_version},
                   {"types", types_text(model)},
                   {"input", {{"name", model.input_name}, {"dtype", model.input_dtype}}},
                   {"output", {{"dtype", model.output_dtype}}},
                   {"channels", model.channels},
                   {"dynamic", model.shape.is_dynamic()},
                   {"batch_size", axis_json(model.shape.batch)},
                   {"height", axis_json(model.shape.height)},
                   {"width", axis_json(model.shape.width)},
                   {"external_files", model.external_files}};
  json["for"] = to_string(request.target.target);
  json["tensorrt"] = {{"version", to_string(version)},
                      {"origin", origin},
                      {"trtexec", or_null(trtexec.string())},
                      {"python", or_null(python.string())}};
  return json;
}

}  // namespace aether2onnx::cli
