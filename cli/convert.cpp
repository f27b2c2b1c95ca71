#include "convert.h"

#include <fmt/format.h>

#include <exception>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "port/files.h"

namespace aether2onnx::cli {

namespace {

namespace fs = std::filesystem;

// convert_verified() throws and catches Stopped to end a conversion before the ONNX file is saved.
// `error` is the reason, for example the ProgramError of a failed comparison. If `error` is null,
// convert_verified() converts the checkpoint again, with more modules of the network in float32.
// Stopped is not derived from Error, because convert_file() replaces most exceptions derived from
// Error by a plain Error. This would lose ProgramError::name, the kind of error in the JSON output.
struct Stopped {
  std::exception_ptr error;
};

// Prints the log when convert_verified() converts a checkpoint again: progress and two lines. The
// line "typed" counts the convolutions in 16 bits and in float32. The line "written" describes the
// ONNX file. Other lines are left out, because the first conversion already printed equal lines.
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
// file with the model's external data.
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

// Converts a checkpoint and compares the ONNX file with the checkpoint. If the comparison finds
// modules of the network that need float32, adds these modules to options.fp32_blocks, then
// converts and compares again. Sets `output` to the ONNX file's path. If the ONNX file replaces an
// older file, sets `replaced` to the time when the older file was written.
ConvertReport convert_verified(const ConvertRequest& request, ConvertOptions& options,
                               VerificationTask task, fs::path& output, std::string& replaced,
                               const Verification& verification, Comparison& comparison,
                               Console& console) {
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
      // The loop ends, because every repetition adds modules to options.fp32_blocks, and a network
      // has a finite number of modules.
      const std::vector<std::string>& more = comparison.fp32_blocks;
      console.line(
          "float32",
          blocks_text(more, *comparison.details) +
              ": kept in float32, because values there overflow or lose too much precision in "
              "16 bits");
      task.repeated = true;
      options.fp32_blocks.insert(options.fp32_blocks.end(), more.begin(), more.end());
      observer = &repeat_observer;
    }
  }
}

// Returns a copy of `error`, the error of a failed comparison. The text of the copy also tells
// whether the ONNX file was kept. With --keep_failed, converts again and saves the ONNX file as
// NAME.failed.onnx.
ProgramError after_failure(const ConvertRequest& request, const ConvertOptions& options,
                           const fs::path& input, const fs::path& output,
                           const ProgramError& error) {
  Diagnostic diagnostic = error.diagnostic;
  if (request.keep_failed) {
    fs::path kept = output;
    kept.replace_extension(".failed" + output.extension().string());
    convert_file(input, kept, options, task_context(request.limits, nullptr, request.inputs));
    diagnostic.text += fmt::format("\nThe failed model was kept as {}; nothing was saved as {}.",
                                   shown(kept), shown(output));
  } else {
    diagnostic.text +=
        "\nNothing was saved. To save the failed model as NAME.failed.onnx, add --keep_failed.";
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
    ConvertOptions options = request.options;
    fs::path saved_as = output;
    try {
      conversion.report = convert_verified(request, options, task, saved_as, conversion.replaced,
                                           *verification, comparison, *console);
    } catch (const ProgramError& error) {
      if (!comparison.failed) throw;
      throw after_failure(request, options, input, saved_as, error);
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
  return {"replace", "the file exists; it was made from this checkpoint with these options"};
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
