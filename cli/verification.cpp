#include "verification.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "render/results.h"

namespace aether2onnx::cli {

namespace {

verify::Settings settings_of(const VerificationRequest& request) {
  verify::Settings settings;
  using Judge = verify::Settings::Judge;
  if (request.reference) {
    settings.reference = *request.reference == "pytorch" ? Judge::pytorch : Judge::builtin;
  }
  if (request.reference_precision) settings.float64 = *request.reference_precision == "fp64";
  settings.onnxruntime_library = request.onnxruntime_library.value_or("");
  settings.device = request.device.value_or("auto");
  settings.provider = request.provider.value_or("auto");
  settings.atol = request.atol;
  settings.rtol = request.rtol;
  settings.seed = request.seed.value_or(kDefaultSeed);
  settings.tf32 = request.tf32;
  settings.thorough = request.thorough;
  settings.images = request.images.value_or("");
  settings.report = request.report.value_or("");
  return settings;
}

verify::Request request_of(const verify::Settings& settings, const VerificationTask& task) {
  return {settings,          task.checkpoint, task.reading,    task.limits,
          task.model,        task.model_name, task.inputs,     task.shapes,
          task.check_source, task.command,    task.fp32_blocks};
}

}  // namespace

Verification::Verification(const VerificationRequest& request, const std::string& asked_by,
                           Console& console)
    : request_(request), settings_(settings_of(request)) {
  try {
    for (const std::string& note : verify::prepare(settings_).notes) console.note(note);
  } catch (const Error& error) {
    if (must_pass_on(error)) throw;
    throw ProgramError(
        "verification",
        {"verification-unavailable", asked_by, "", "",
         fmt::format(
             "{}: {}\nNothing was done. A conversion without verification needs no ONNX Runtime.",
             asked_by, error.diagnostic.text)});
  }
}

void Verification::run(const VerificationTask& task, Console& console,
                       Comparison& comparison) const {
  comparison = {};
  verify::Progress progress;
  progress.begins = [&](const Json& details) {
    if (!task.repeated) print_beginning(console, details, task.checkpoint);
  };
  progress.works = [&](std::size_t index, std::size_t count, double share,
                       const std::string& what) {
    console.on_work("verifying", fmt::format("{} of {}, {}", index + 1, count, what), share);
  };
  std::shared_ptr<const Json> details;
  try {
    details = std::make_shared<const Json>(
        verify::verify(request_of(settings_, task), progress, task_context().cancelled));
  } catch (const Error& error) {
    if (must_pass_on(error)) throw;
    throw ProgramError("verification",
                       {"verification-impossible", task.model_name, "", "",
                        fmt::format("the comparison couldn't be made: {}", error.diagnostic.text)});
  }
  const bool passed = details->at("passed").get<bool>();
  comparison = {details, !passed, details->at("verdict") == "equal-as-assumed",
                details->at("fp32_blocks").get<std::vector<std::string>>()};
  if (!comparison.fp32_blocks.empty()) return;
  print_comparison(console, *details, !task.fp32_blocks);
  if (request_.report) console.line("report", shown(*request_.report));
  if (comparison.failed) throw comparison_error(*details, task.model_name);
  console.line("equal", verdict_text(*details, task.model_name, shown(task.checkpoint)));
}

}  // namespace aether2onnx::cli
