#include "json.h"
#include "base/error.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "console.h"

namespace aether2onnx::cli {

Json axis_json(const Axis& axis) {
  if (!axis.dynamic) return axis.opt;
  return Json{{"min", axis.min}, {"opt", axis.opt}, {"max", axis.max}};
}

Json tensors_json(const std::vector<TensorInfo>& tensors) {
  Json list = Json::array();
  for (const TensorInfo& tensor : tensors) {
    list.push_back({{"name", tensor.name}, {"dtype", tensor.dtype}, {"shape", tensor.shape}});
  }
  return list;
}

Json source_json(const Report::Source& source) {
  return {{"name", source.name},       {"container", source.container},
          {"wrapper", source.wrapper}, {"other_wrappers", source.other_wrappers},
          {"sha256", source.sha256},   {"bytes", source.bytes},
          {"tensors", source.tensors}, {"parameters", source.parameters},
          {"dtype", source.dtype}};
}

Json network_json(const Report::Network& network) {
  Json evidence = Json::array();
  for (const Evidence& each : network.evidence) {
    evidence.push_back({{"what", each.what},
                        {"value", each.value},
                        {"because", each.because},
                        {"certain", each.certain}});
  }
  return {{"architecture", network.architecture},
          {"generation", network.generation},
          {"model_type", network.model_type},
          {"scale", network.scale},
          {"input_channels", network.input_channels},
          {"embed_dim", network.embed_dim},
          {"depths", network.depths},
          {"hidden_dim", network.hidden_dim},
          {"large_kernel", network.large_kernel},
          {"small_kernel", network.small_kernel == 0 ? Json() : Json(network.small_kernel)},
          {"fused", network.fused},
          {"norm_type", network.norm_type},
          {"norm_eps", network.norm_eps == 0 ? Json() : Json(network.norm_eps)},
          {"channel_attention", network.channel_attention},
          {"spatial_attention", network.spatial_attention},
          {"res_scale", network.res_scale},
          {"img_range", network.img_range},
          {"quantization", network.quantization},
          {"evidence", evidence}};
}

Json stages_json(const std::vector<Stage>& stages) {
  Json list = Json::array();
  for (const Stage& stage : stages) {
    list.push_back({{"name", stage.name}, {"summary", stage.summary}, {"seconds", stage.seconds}});
  }
  return list;
}

Json conversion_json(const Report& report, const Json& verification,
                     const std::string& verify_command, const std::string& trtexec_command) {
  const auto& graph = report.graph;
  Json json;
  json["status"] = "ok";
  json["version"] = version();
  json["source"] = source_json(report.source);
  json["network"] = network_json(report.network);
  Json operators = Json::object();
  for (const auto& [op, count] : graph.operators) operators[op] = count;
  json["onnx"] = {{"opset_version", graph.opset_version},
                  {"ir_version", graph.ir_version},
                  {"precision", to_string(graph.precision)},
                  {"io_type", to_string(graph.io_type)},
                  {"graph_form", to_string(graph.form)},
                  {"depthwise_fp32", graph.depthwise_fp32},
                  {"fp32_blocks", graph.fp32_blocks},
                  {"fp32_for_weights", graph.fp32_for_weights},
                  {"dynamic", graph.shape.is_dynamic()},
                  {"batch_size", axis_json(graph.shape.batch)},
                  {"height", axis_json(graph.shape.height)},
                  {"width", axis_json(graph.shape.width)},
                  {"inputs", tensors_json(graph.inputs)},
                  {"outputs", tensors_json(graph.outputs)},
                  {"nodes", graph.nodes},
                  {"operators", operators},
                  {"initializers", graph.initializers},
                  {"parameters", graph.parameters},
                  {"weights_subnormal", report.weights_subnormal},
                  {"weights_flushed_to_zero", report.weights_flushed_to_zero}};
  const bool external = !report.output.external_data_path.empty();
  json["output"] = {
      {"path", report.output.path.string()},
      {"bytes", report.output.bytes},
      {"external_data_path", external ? Json(report.output.external_data_path.string()) : Json()},
      {"external_data_bytes", report.output.external_data_bytes}};
  json["verification"] = verification;
  json["stages"] = stages_json(report.stages);
  json["warnings"] = report.warnings;
  json["next"] = {{"verify", verify_command.empty() ? Json() : Json(verify_command)},
                  {"trtexec", trtexec_command}};
  return json;
}

namespace {

// With options as they are written on the command line.
std::string spelled(const std::string& text) {
  return spell_options(text, [](std::string_view name) { return fmt::format("--{}", name); });
}

}  // namespace

Failure failure_of(const Error& error) {
  const int exit_code = error.kind == ErrorKind::usage ? kWrongUsage : kFailed;
  std::vector<std::string> findings = texts(error.findings);
  for (std::string& finding : findings) finding = spelled(finding);
  return {std::string(to_string(error.kind)),
          spelled(error.diagnostic.text),
          std::move(findings),
          exit_code,
          {}};
}

Json failure_json(const Failure& failure) {
  return {{"status", "error"},
          {"version", version()},
          {"error",
           {{"kind", failure.kind}, {"message", failure.message}, {"findings", failure.findings}}},
          {"verification", failure.verification ? *failure.verification : Json()},
          {"exit_code", failure.exit_code}};
}

int print_failure(const Failure& failure, bool json) {
  write_text(stderr, fmt::format("error: {}\n", failure.message));
  if (json) write_text(stdout, dump(failure_json(failure)));
  return failure.exit_code;
}

namespace {

// Characters that JSON needn't escape and a terminal acts on: DEL, U+0080 to U+009F, line
// separators, direction overrides. They stand in strings alone.
std::string escape_invisible(const std::string& text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = [&](std::size_t at) -> unsigned {
      return i + at < text.size() ? static_cast<unsigned char>(text[i + at]) : 0U;
    };
    const unsigned lead = byte(0);
    unsigned code = 0;
    std::size_t length = 1;
    if (lead == 0x7f) {
      code = lead;
    } else if (lead == 0xc2 && byte(1) >= 0x80 && byte(1) < 0xa0) {
      code = byte(1);
      length = 2;
    } else if (lead == 0xe2 && (byte(1) == 0x80 || byte(1) == 0x81)) {
      const unsigned three = 0x2000U | (byte(1) & 0x3fU) << 6U | (byte(2) & 0x3fU);
      const bool acts =
          (three >= 0x2028 && three <= 0x202e) || (three >= 0x2066 && three <= 0x2069);
      code = acts ? three : 0;
      length = 3;
    }
    if (code == 0) {
      out += text[i];
    } else {
      out += fmt::format("\\u{:04x}", code);
      i += length - 1;
    }
  }
  return out;
}

}  // namespace

std::string dump(const Json& json) {
  return escape_invisible(json.dump(2, ' ', false, Json::error_handler_t::replace)) + "\n";
}

void print_result(const Json& json, const std::string& done) {
  if (write_text(stdout, dump(json))) return;
  throw Error(ErrorKind::io, fmt::format("{}, but the result can't be printed.", done));
}

}  // namespace aether2onnx::cli
