#include "json.h"

#include <fmt/format.h>

#include <new>
#include <nlohmann/json.hpp>

#include "../console.h"
#include "base/error.h"

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
  write_text(stderr, fmt::format("error: {}\n", spelled(failure.diagnostic.text)));
  if (json) write_text(stdout, dump(failure_json(failure)));
  return failure.exit_code;
}

namespace {

// Escapes the characters that JSON leaves alone and a terminal acts on: DEL, U+0080 to U+009F, line
// separators, direction overrides. JSON has them in strings only.
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
  const std::string text = json.dump(2, ' ', false, Json::error_handler_t::replace);
  return escape_invisible(spelled(text)) + "\n";
}

void print_result(const Json& json, const std::string& done) {
  if (write_text(stdout, dump(json))) return;
  fail({ErrorKind::io, "command-output"}, "{}, but the result can't be printed.", done);
}

}  // namespace aether2onnx::cli
