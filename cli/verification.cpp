#include "verification.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "render/results.h"

namespace aether2onnx::cli {

namespace {

// A text of any bytes.
Json bytes_json(const std::string& bytes) { return a2o_text_of_bytes(bytes); }

Json settings(const VerificationRequest& request) {
  return {{"onnxruntime_library", bytes_json(request.onnxruntime_library.value_or(""))},
          {"device", request.device.value_or("auto")},
          {"provider", request.provider.value_or("auto")}};
}

Json module_request(const VerificationRequest& how, const VerificationTask& task) {
  Json json = settings(how);
  json["checkpoint"] = bytes_json(task.checkpoint.string());
  json["params_key"] = task.reading.params_key ? bytes_json(*task.reading.params_key) : Json();
  json["limits"] = Json::object();
  for (const auto& [name, limit] : named_limits(task.limits)) json["limits"][name] = limit;
  json["generation"] = or_null(task.reading.generation);
  json["res_scale"] = or_null(task.reading.res_scale);
  json["norm_eps"] = or_null(task.reading.norm_eps);
  json["img_range"] = or_null(task.reading.img_range);
  json["dequantize"] = task.reading.dequantize;
  json["model"] = bytes_json(task.model.string());
  json["inputs"] = Json::array();
  for (const auto& input : task.inputs) json["inputs"].push_back(bytes_json(input.string()));
  json["model_name"] = task.model_name;
  json["shapes"] = task.shapes;
  json["images"] = bytes_json(how.images.value_or(""));
  json["atol"] = or_null(how.atol);
  json["rtol"] = or_null(how.rtol);
  json["reference_precision"] = how.reference_precision.value_or("fp32");
  json["seed"] = how.seed.value_or(kDefaultSeed);
  json["report"] = bytes_json(how.report.value_or(""));
  json["command"] = task.command;
  json["fp32_blocks"] = or_null(task.fp32_blocks);
  return json;
}

// The request as the module reads it.
std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

Verification::Verification(const VerificationRequest& request, const std::string& asked_by,
                           Console& console)
    : request_(request), module_(asked_by) {
  const Json ready = Json::parse(module_.prepare(text_of(settings(request))));
  for (const Json& note : ready["notes"]) console.note(note.get<std::string>());
}

void Verification::run(const VerificationTask& task, Console& console,
                       Comparison& comparison) const {
  comparison = {};
  const auto [verdict, text] = module_.verify(
      text_of(module_request(request_, task)),
      [&](std::size_t index, std::size_t count, double share, const char* what) {
        console.on_work("verifying", fmt::format("{} of {}, {}", index + 1, count, what), share);
      });
  task_context().check_cancelled();
  if (verdict == kA2oError) {
    throw ProgramError("verification", {"verification-impossible", task.model_name, "", "",
                                        fmt::format("the comparison couldn't be made: {}", text)});
  }
  const auto details = std::make_shared<const Json>(Json::parse(text));
  comparison = {details, verdict == kA2oFailed,
                details->at("fp32_blocks").get<std::vector<std::string>>()};
  if (!comparison.fp32_blocks.empty()) return;
  print_comparison(console, *details, !task.fp32_blocks);
  if (request_.report) console.line("report", shown(*request_.report));
  if (comparison.failed) throw comparison_error(*details, task.model_name);
}

}  // namespace aether2onnx::cli
