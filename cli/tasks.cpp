// Implements the commands fuse, verify, inspect, check and scan.

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "port/files.h"
#include "port/port.h"
#include "render/results.h"
#include "verification.h"

namespace aether2onnx::cli {

namespace {

// The exit codes of `scan`. kClean: the file contains only data. kFound: loading the file could run
// code or do other harm. kUnclear: scan cannot read or does not understand a part of the file.
constexpr int kClean = 0;
constexpr int kFound = 1;
constexpr int kUnclear = 2;

Scanned scan_one(const std::filesystem::path& file, const ScanRequest& request, Console& console) {
  Scanned scanned{file, {}, {}};
  try {
    scanned.report = scan_file(file, task_context(request.limits, &console));
  } catch (...) {
    scanned.failure = current_failure();
    for (const ErrorKind kind : {ErrorKind::usage, ErrorKind::cancelled}) {
      if (scanned.failure->kind == to_string(kind)) throw;
    }
    scanned.failure->exit_code = kUnclear;
  }
  return scanned;
}

int exit_code_of(const Scanned& scanned) {
  if (scanned.failure || scanned.report.result == ScanResult::unclear) return kUnclear;
  return scanned.report.result == ScanResult::clean ? kClean : kFound;
}

}  // namespace

int run(const FuseRequest& request, const Invocation& invocation) {
  Console console(request.printing);
  const std::filesystem::path target =
      request.output.empty()
          ? request.input.parent_path() /
                default_fused_name(checkpoint_stem(request.input), request.options)
          : request.output;
  const std::string replaced = io::time_written(target);
  const FuseReport report = fuse_file(request.input, request.output, request.options,
                                      task_context(request.limits, &console, request.inputs));
  console.line("saved", saved_text(report.output.path, replaced));
  const std::string convert = shell_line({invocation.program, argument_path(report.output.path)});
  console.plain("\nNext, convert the fused checkpoint:\n  " + convert);
  if (request.printing.json) {
    print_result(fusion_json(report, !replaced.empty(), convert),
                 fmt::format("{} was saved", shown(report.output.path)));
  }
  return kDone;
}

int run(const VerifyRequest& request, const Invocation& invocation) {
  Console console(request.printing);
  const Verification verification(request.verification, "verify", console);
  VerificationTask task;
  task.checkpoint = request.checkpoint;
  task.reading = request.reading;
  task.limits = request.limits;
  task.inputs = request.inputs;
  task.model = request.model;
  task.model_name = request.model.filename().string();
  task.shapes = request.shapes;
  task.command = command_line_text(invocation);
  task.check_source = true;
  Comparison comparison;
  try {
    verification.run(task, console, comparison);
  } catch (const Error& error) {
    if (error.kind == ErrorKind::cancelled) throw;
    Failure failure = current_failure();
    failure.verification = comparison.details;
    return print_failure(failure, request.printing.json);
  }
  if (request.printing.json) {
    Json json = result_json();
    json["verification"] = *comparison.details;
    print_result(json, "the model's output equals the checkpoint's output");
  }
  return comparison.as_assumed ? kAsAssumed : kDone;
}

int run(const InspectRequest& request, const Invocation& /*invocation*/) {
  Console console(request.printing);
  const Inspection inspection =
      inspect_file(request.file, request.options, task_context(request.limits, &console));
  print_inspection(console, request, inspection);
  if (request.printing.json) {
    print_result(inspection_json(inspection, request.options.tensors), "the file was read");
  }
  return kDone;
}

int run(const CheckRequest& request, const Invocation& /*invocation*/) {
  Console console(request.printing);
  const CheckReport report =
      check_file(request.file, request.options, task_context(request.limits, &console));
  const bool failed =
      report.count(Severity::error) > 0 || (request.strict && report.count(Severity::warning) > 0);
  const int exit_code = failed ? kFailed : kDone;
  print_check(console, request.file, report);
  if (failed && request.printing.quiet && !request.printing.json) {
    const Severity least = request.strict ? Severity::warning : Severity::error;
    port::write_text(stderr, printable_lines(findings_text(report, least)));
  }
  if (request.printing.json) print_result(check_json(report, exit_code), "the file was checked");
  return exit_code;
}

int run(const ScanRequest& request, const Invocation& /*invocation*/) {
  Console console(request.printing);
  Json results = Json::array();
  std::array<std::uint64_t, 3> counts{};  // number of files for each exit code
  for (const std::filesystem::path& file : request.files) {
    const Scanned scanned = scan_one(file, request, console);
    if (scanned.failure) print_failure(*scanned.failure, false);
    print_scanned(console, scanned);
    ++counts.at(static_cast<std::size_t>(exit_code_of(scanned)));
    if (request.printing.json) results.push_back(scanned_json(scanned));
  }
  const auto [clean, found, unclear] = counts;
  const int exit_code = found > 0 ? kFound : unclear > 0 ? kUnclear : kClean;
  if (request.files.size() > 1) {
    console.line("scanned",
                 fmt::format("{} clean, {} dangerous, {} unknown", clean, found, unclear));
  }
  if (!request.printing.json) return exit_code;
  Json json = result_json();
  json["results"] = std::move(results);
  json["clean"] = clean;
  json["found"] = found;
  json["unclear"] = unclear;
  json["exit_code"] = exit_code;
  if (!port::write_text(stdout, dump(json))) {
    task_context().check_cancelled();
    port::write_text(stderr, "error: the files were scanned, but the result can't be printed.\n");
    return exit_code == kClean ? kUnclear : exit_code;
  }
  return exit_code;
}

}  // namespace aether2onnx::cli
