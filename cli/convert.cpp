#include "convert.h"

#include <fmt/format.h>

#include <exception>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "port/files.h"

namespace aether2onnx::cli {

namespace {

namespace fs = std::filesystem;

// Thrown to end a conversion before the ONNX file is saved. `error` is the reason. If `error` is
// null, the conversion is repeated with more parts of the network in float32. Stopped is not
// derived from Error, because the library adds the checkpoint's name to every Error.
struct Stopped {
  std::exception_ptr error;
};

// Prints the log of a repeated conversion: progress, and the steps "typed" and "written". All other
// steps give the same results as in the first conversion.
class RepeatObserver final : public Observer {
 public:
  explicit RepeatObserver(Console& console) : console_(console) {}
  void on_step(const Step& step) override {
    if (step.name == "typed" || step.name == "written") console_.on_step(step);
  }
  void on_progress(std::string_view step, std::uint64_t done, std::uint64_t total) override {
    console_.on_progress(step, done, total);
  }

 private:
  Console& console_;
};

// Throws Error(usage) if the HTML report (--report) would replace the ONNX file `model`, or the
// file of its external data.
void check_report(const ConvertRequest& request, const fs::path& model) {
  if (!request.verification.report) return;
  const io::FileIdentity report = io::identity_of(*request.verification.report);
  fs::path data = model;
  data += ".data";
  for (const fs::path& output : {model, data}) {
    if (io::identity_of(output) != report) continue;
    fail({ErrorKind::usage, "option-conflict", "report"},
         "--report {}: the report would be written over the model ({}).\nGive another name.",
         shown(*request.verification.report), shown(output));
  }
}

// Converts a checkpoint and compares the ONNX file with the checkpoint. Repeats both steps while
// the comparison finds more parts of the network that need float32. Sets `output` to the ONNX
// file's path, and `replaced` to the time of the older file that the ONNX file replaces.
ConvertReport convert_verified(const ConvertRequest& request, VerificationTask task,
                               fs::path& output, std::string& replaced,
                               const Verification& verification, Comparison& comparison,
                               Console& console) {
  ConvertOptions options = request.options;
  const BeforeSave before_save = [&](const ConvertReport& report, const fs::path& candidate) {
    output = report.output.path;
    try {
      check_report(request, output);
    } catch (const Error&) {
      throw Stopped{std::current_exception()};
    }
    task.model = candidate;
    task.model_name = report.output.path.filename().string();
    if (is_mixed(options.precision)) task.fp32_blocks = options.fp32_blocks;
    try {
      verification.run(task, console, comparison);
    } catch (const ProgramError&) {
      throw Stopped{std::current_exception()};
    }
    if (!comparison.fp32_blocks.empty()) throw Stopped{};
    replaced = io::time_written(output);
  };
  RepeatObserver repeat_observer(console);
  Observer* observer = &console;
  for (;;) {
    try {
      return convert_file(task.checkpoint, output, options,
                          task_context(request.limits, observer, request.inputs), before_save);
    } catch (const Stopped& stopped) {
      if (stopped.error) std::rethrow_exception(stopped.error);
      // The loop ends: every repetition adds parts, and a network has a finite number of parts.
      const std::vector<std::string>& more = comparison.fp32_blocks;
      console.line("float32",
                   blocks_text(more, *comparison.details) +
                       ": the values are too large for half precision, or rounded too coarsely");
      task.repeated = true;
      options.fp32_blocks.insert(options.fp32_blocks.end(), more.begin(), more.end());
      observer = &repeat_observer;
    }
  }
}

// Returns `error`, the error of a failed comparison, with a sentence about the ONNX file added.
// With --keep_failed, converts again and saves the ONNX file as NAME.failed.onnx.
ProgramError after_failure(const ConvertRequest& request, const fs::path& input,
                           const fs::path& output, const ProgramError& error) {
  Diagnostic diagnostic = error.diagnostic;
  if (request.keep_failed) {
    fs::path kept = output;
    kept.replace_extension(".failed" + output.extension().string());
    convert_file(input, kept, request.options,
                 task_context(request.limits, nullptr, request.inputs));
    diagnostic.text +=
        fmt::format("\nThe model was kept as {}; {} was not saved.", shown(kept), shown(output));
  } else {
    diagnostic.text += "\nNothing was saved; --keep_failed saves such a model under another name.";
  }
  return {error.name, diagnostic, error.findings};
}

std::string verify_line(const ConvertRequest& request, const Invocation& invocation,
                        const fs::path& input, const fs::path& model) {
  std::vector<std::string> words = {invocation.program, "verify", argument_path(model), "--against",
                                    argument_path(input)};
  const auto add = [&words](const char* option, const auto& value) {
    if (value) words.insert(words.end(), {option, fmt::format("{}", *value)});
  };
  const ReadOptions& reading = request.options.read;
  add("--params_key", reading.params_key);
  add("--generation", reading.generation);
  add("--res_scale", reading.res_scale);
  add("--norm_eps", reading.norm_eps);
  add("--img_range", reading.img_range);
  if (reading.dequantize) words.emplace_back("--dequantize");
  return shell_line(words);
}

std::string trtexec_line(const ConvertReport& report) {
  std::vector<std::string> words = {"trtexec"};
  const EngineCommand command = trtexec_command(engine_model(report), {});
  words.insert(words.end(), command.arguments.begin(), command.arguments.end());
  return shell_line(words);
}

int run_dry(const ConvertRequest& request, Console& console) {
  console.line("input", shown(request.input));
  const ConvertReport planned = plan_file(request.input, request.output, request.options,
                                          task_context(request.limits, &console, request.inputs));
  const OutputPlan plan = plan_output(request, request.input, planned);
  print_plan(console, request, planned, plan);
  if (request.printing.json) {
    print_result(plan_json(request, planned, plan), "nothing was written");
  }
  return kDone;
}

}  // namespace

Conversion convert_one(const ConvertRequest& request, const Invocation& invocation,
                       const fs::path& input, const fs::path& output,
                       const Verification* verification, Comparison& comparison, Console* console) {
  Conversion conversion;
  if (verification == nullptr) {
    conversion.report = convert_file(input, output, request.options,
                                     task_context(request.limits, console, request.inputs),
                                     [&](const ConvertReport& report, const fs::path&) {
                                       conversion.replaced = io::time_written(report.output.path);
                                     });
  } else {
    VerificationTask task;
    task.checkpoint = input;
    task.reading = request.options.read;
    task.limits = request.limits;
    task.inputs = request.inputs;
    task.command = command_line_text(invocation);
    fs::path saved_as = output;
    try {
      conversion.report = convert_verified(request, task, saved_as, conversion.replaced,
                                           *verification, comparison, *console);
    } catch (const ProgramError& error) {
      if (!comparison.failed) throw;
      throw after_failure(request, input, saved_as, error);
    }
    conversion.verification = comparison.details;
  }
  const fs::path& model = conversion.report.output.path;
  if (verification == nullptr) {
    conversion.verify_command = verify_line(request, invocation, input, model);
  }
  conversion.trtexec_command = trtexec_line(conversion.report);
  conversion.engine_command = shell_line({invocation.program, "engine", argument_path(model)});
  return conversion;
}

OutputPlan plan_output(const ConvertRequest& request, const fs::path& input,
                       const ConvertReport& planned) {
  const fs::path& output = planned.output.path;
  io::FilesRead read(request.inputs);
  for (const fs::path& file : planned.source.files) read.add(file);
  io::check_target(output, read, "model.onnx");
  if (!io::exists(output)) return {"write", "the file does not exist"};
  const bool more_fp32_blocks = request.verify && is_mixed(request.options.precision);
  const std::string difference =
      why_outdated(input, planned, more_fp32_blocks, task_context(request.limits));
  if (!difference.empty()) return {"replace", "the file exists; " + difference};
  if (request.batch.skip_existing) {
    return {"skip", "the file was made from this checkpoint with these options"};
  }
  return {"replace", "the file exists, made from this checkpoint with these options"};
}

int run(const ConvertRequest& request, const Invocation& invocation) {
  Console console(request.printing);
  print_settings(console, request);
  for (const std::string& note : request.notes) console.note(note);
  if (request.is_batch) return run_batch(request, invocation, console);
  if (request.dry_run) return run_dry(request, console);
  std::optional<Verification> verification;
  if (request.verify) verification.emplace(request.verification, "--verify_onnx", console);
  Comparison comparison;
  try {
    const Conversion conversion =
        convert_one(request, invocation, request.input, request.output,
                    verification ? &*verification : nullptr, comparison, &console);
    print_conversion(console, request, conversion);
    if (request.printing.json) {
      print_result(conversion_json(request, conversion),
                   fmt::format("{} was saved", shown(conversion.report.output.path)));
    }
  } catch (const Error& error) {
    if (!request.verify || error.kind == ErrorKind::cancelled) throw;
    Failure failure = current_failure();
    failure.verification = comparison.details;
    return print_failure(failure, request.printing.json);
  }
  return comparison.as_assumed ? kAsAssumed : kDone;
}

}  // namespace aether2onnx::cli
