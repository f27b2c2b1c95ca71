#include "json.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <nlohmann/json.hpp>

#include "../console.h"
#include "base/error.h"
#include "base/text.h"
#include "port/port.h"

namespace aether2onnx::cli {

Json result_json() { return {{"status", "ok"}, {"version", version()}}; }

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

Json source_json(const SourceInfo& source) {
  return {{"name", source.name},       {"container", source.container},
          {"wrapper", source.wrapper}, {"other_wrappers", source.other_wrappers},
          {"sha256", source.sha256},   {"bytes", source.bytes},
          {"tensors", source.tensors}, {"parameters", source.parameters},
          {"dtype", source.dtype}};
}

Json network_json(const NetworkInfo& network) {
  Json evidence = Json::array();
  for (const Evidence& each : network.evidence) {
    evidence.push_back({{"what", each.what},
                        {"value", each.value},
                        {"because", each.because},
                        {"certain", each.certain}});
  }
  const bool known = !network.generation.empty();
  const bool quantized = network.quantization != Quantization::none;
  const double norm_eps = network.number("norm_eps", 0);
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
          {"norm_type", known ? to_string(network.norm_type) : ""},
          {"norm_eps", norm_eps == 0 ? Json() : Json(norm_eps)},
          {"channel_attention", network.has("channel_attention")},
          {"spatial_attention", network.has("spatial_attention")},
          {"res_scale", network.number("res_scale", 1)},
          {"img_range", network.number("img_range", 1)},
          {"quantization", quantized ? to_string(network.quantization) : ""},
          {"evidence", evidence}};
}

Json texts_json(const std::vector<Diagnostic>& diagnostics) {
  Json list = Json::array();
  for (const Diagnostic& diagnostic : diagnostics) list.push_back(diagnostic.text);
  return list;
}

void add_warnings(Json& json, const std::vector<Diagnostic>& warnings) {
  json["warnings"] = texts_json(warnings);
  json["warning_codes"] = Json::array();
  for (const Diagnostic& warning : warnings) json["warning_codes"].push_back(warning.code);
}

Json steps_json(const std::vector<Step>& steps) {
  Json list = Json::array();
  for (const Step& step : steps) {
    list.push_back({{"name", step.name}, {"summary", step.summary}, {"seconds", step.seconds}});
  }
  return list;
}

Json operators_json(const std::vector<std::pair<std::string, std::uint64_t>>& operators) {
  Json object = Json::object();
  for (const auto& [name, count] : operators) object[name] = count;
  return object;
}

Json pairs_json(const std::vector<std::pair<std::string, std::string>>& pairs) {
  Json object = Json::object();
  for (const auto& [name, text] : pairs) object[name] = text;
  return object;
}

Json or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

Failure current_failure() {
  try {
    throw;
  } catch (const ProgramError& error) {
    return {error.name, error.diagnostic, error.findings};
  } catch (const Error& error) {
    const int exit_code = error.kind == ErrorKind::usage ? kWrongUsage : kFailed;
    return {std::string(to_string(error.kind)), error.diagnostic, error.findings, exit_code};
  } catch (const std::bad_alloc&) {
    return {"limit", {"limit-memory", "", "", "", "there isn't enough memory."}};
  } catch (const std::exception& error) {
    return {"internal",
            {"internal", "", "", "",
             fmt::format("{}\nThis is a defect of aether2onnx. Please report it.", error.what())}};
  }
}

Json error_json(const Failure& failure) {
  const Diagnostic& diagnostic = failure.diagnostic;
  return {{"kind", failure.kind},          {"code", diagnostic.code},
          {"subject", diagnostic.subject}, {"expected", diagnostic.expected},
          {"found", diagnostic.found},     {"message", diagnostic.text}};
}

Json failure_json(const Failure& failure) {
  Json error = error_json(failure);
  error["findings"] = texts_json(failure.findings);
  return {{"status", "error"},
          {"version", version()},
          {"error", error},
          {"verification", failure.verification ? *failure.verification : Json()},
          {"exit_code", failure.exit_code}};
}

int print_failure(const Failure& failure, bool json) {
  port::write_text(stderr,
                   printable_lines(fmt::format("error: {}\n", spelled(failure.diagnostic.text))));
  if (json) port::write_text(stdout, dump(failure_json(failure)));
  return failure.exit_code;
}

namespace {

// Returns `text`, which is JSON in valid UTF-8, with \uXXXX instead of each invisible character
// (control characters, direction marks, …) except line feeds. The result is still valid JSON,
// because in JSON such characters are only inside strings.
std::string escape_invisible(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8 character = first_character(text);
    const std::size_t length = std::max<std::size_t>(character.length, 1);
    constexpr char32_t first_pair = 0x10000;
    if (character.code == '\n' || is_visible(character.code)) {
      out += text.substr(0, length);
    } else if (character.code < first_pair) {
      out += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(character.code));
    } else {
      const auto pair = static_cast<std::uint32_t>(character.code - first_pair);
      out += fmt::format("\\u{:04x}\\u{:04x}", 0xd800U + (pair >> 10U), 0xdc00U + (pair & 0x3ffU));
    }
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace

std::string dump(const Json& json) {
  const std::string text = json.dump(2, ' ', false, Json::error_handler_t::replace);
  return escape_invisible(spelled(text)) + "\n";
}

std::string dump_line(const Json& json) {
  const std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  return escape_invisible(spelled(text)) + "\n";
}

void print_result(const Json& json, const std::string& done) {
  if (port::write_text(stdout, dump(json))) return;
  task_context().check_cancelled();
  fail({ErrorKind::io, "command-output"}, "{}, but the result can't be printed.", done);
}

}  // namespace aether2onnx::cli
