#include "convert_command.h"

#include <fmt/format.h>

#include <algorithm>

#include "checkpoint_arguments.h"
#include "console.h"
#include "json.h"
#include "shape_arguments.h"
#include "verification.h"

namespace aether2onnx::cli {

namespace {

struct Arguments {
  std::filesystem::path input;
  std::filesystem::path output;  // empty: default_output_name() beside the input
  Options options;
  bool verify = false;
  bool keep_failed = false;
  VerificationArguments verification;
  Printing printing;
  // What was made of the options that the user should know, one line each.
  std::vector<std::string> notes;
};

constexpr const char* kUsage =
    "Usage: aether2onnx MODEL.pth [MODEL.onnx] [options]\n"
    "       aether2onnx --input_model_path MODEL.pth --output_onnx_path MODEL.onnx [options]\n"
    "       aether2onnx COMMAND --help\n"
    "\n"
    "Commands:\n"
    "  convert                         Convert; needs not be written\n"
    "  fuse                            Fuse a checkpoint, for PyTorch\n"
    "  verify                          Compare an ONNX file with its checkpoint in PyTorch\n"
    "  inspect                         Say what a checkpoint or an ONNX file is\n";

constexpr const char* kFooter = R"(Examples:
  aether2onnx model.pth
      Static 1x3x64x64, fp32, opset 17, saved as {scale}x_model_fp32_op17.onnx
      beside model.pth. Variant, scale and channels are read from the file.
  aether2onnx model.pth model.onnx --dynamic_shapes --fp_mode fp16
      Any size from 32x32 to 256x256, half precision.
  aether2onnx model.pth --shape 1x3xHxW --max_height 1080 --max_width 1920
      One picture at a time, any size up to full HD.

Dashes may stand for underscores (--fp-mode), and an option's name may be cut
short while it stays unambiguous. Exit code: 0 done, 1 failed, 2 wrong usage.)";

Precision parse_precision(const std::string& text) {
  for (const Precision precision : {Precision::fp32, Precision::fp16}) {
    if (text == to_string(precision)) return precision;
  }
  usage_error(fmt::format("--fp_mode {}: must be fp32 or fp16.", text));
}

void add_graph(CLI::App& app, Options& options, std::string& precision) {
  const std::string group = "ONNX file";
  app.add_option("--opset_version", options.opset_version,
                 fmt::format("ONNX opset, {} to {}. Default: {}", kMinOpset, kMaxOpset,
                             options.opset_version))
      ->group(group)
      ->type_name("N");
  app.add_option("--fp_mode", precision, "fp32 or fp16: weights, input and output. Default: fp32")
      ->group(group)
      ->type_name("MODE");
}

std::optional<Answer> parse(const std::vector<std::string>& arguments, Arguments& result) {
  CommandLine line("Converts an AetherNet checkpoint (PyTorch .pth) to ONNX, without PyTorch.",
                   kUsage, kFooter);
  FileArguments files("ONNX file", "aether2onnx MODEL.pth [MODEL.onnx] [options]");
  std::string precision = "fp32";
  ShapeArguments shape;
  files.add_to(line, "--output_onnx_path",
               "Where to save the model. Missing folders are created.\n"
               "Default: {scale}x_{name}_{precision}_op{N}.onnx beside the checkpoint");
  add_network_options(line.app(), result.options);
  shape.add_to(line.app());
  add_graph(line.app(), result.options, precision);
  line.app()
      .add_flag("--verify_onnx", result.verify,
                "Compare the model with PyTorch before it is saved;\n"
                "needs libtorch and ONNX Runtime")
      ->group(VerificationArguments::kGroup);
  result.verification.add_to(line.app());
  line.app()
      .add_flag("--keep_failed", result.keep_failed, "Save a model that fails as NAME.failed.onnx")
      ->group(VerificationArguments::kGroup);
  line.add_printing(result.printing, "Add a table of the model");

  if (auto answer = line.parse(arguments)) return answer;
  files.take(line.positionals(), result.input, result.output);
  result.options.precision = parse_precision(precision);
  result.options.shape = shape.resolve(result.options.input_channels, result.notes);
  result.verification.check();
  if (!result.verify) {
    for (const std::string& option : result.verification.given_for_verification()) {
      result.notes.push_back(
          fmt::format("{} has no effect without --verify_onnx{}", option,
                      option == "--device" ? ": conversion itself needs no device" : ""));
    }
  }
  validate(result.options);
  return std::nullopt;
}

std::string trtexec_line(const Report& report) {
  std::vector<std::string> arguments = {"trtexec"};
  for (std::string& argument : trtexec_arguments(report)) arguments.push_back(std::move(argument));
  return shell_line(arguments);
}

// The command that compares the saved model with its checkpoint.
std::string verify_line(const std::string& program, const Arguments& arguments,
                        const Report& report) {
  std::vector<std::string> words = {program, "verify", argument_path(report.output.path),
                                    "--against", argument_path(arguments.input)};
  if (arguments.options.params_key) {
    words.insert(words.end(), {"--params_key", *arguments.options.params_key});
  }
  return shell_line(words);
}

void print_next(Console& console, const Report& report, const std::string& verify,
                const std::string& trtexec) {
  console.plain("");
  if (!verify.empty()) {
    console.plain("Next, compare the model with PyTorch:\n  " + verify);
  }
  const bool half = report.graph.precision == Precision::fp16;
  console.plain(fmt::format("{} a TensorRT engine{}:\n  {}",
                            verify.empty() ? "Next, build" : "Build",
                            half ? " (TensorRT 9.1 or newer; for 8.6 write --fp16 instead of "
                                   "--stronglyTyped)"
                                 : "",
                            trtexec));
}

// The name under which a model that failed is kept: out.onnx becomes out.failed.onnx.
std::filesystem::path failed_name(std::filesystem::path output) {
  return output.replace_extension(".failed" + output.extension().string());
}

// Converts, with the comparison before the model is saved. A model that fails the comparison is
// written once more under its other name where that was asked for.
Report convert_verified(const Arguments& arguments, Verification& verification,
                        const std::string& command, Console& console) {
  std::filesystem::path output = arguments.output;
  const BeforeSave before_save = [&](const Report& report, const std::filesystem::path& candidate) {
    output = report.output.path;
    VerificationTask task;
    task.checkpoint = arguments.input;
    task.params_key = arguments.options.params_key;
    task.model = candidate;
    task.model_name = report.output.path.filename().string();
    task.command = command;
    verification.run(task, console);
  };
  try {
    return convert_file(arguments.input, arguments.output, arguments.options, &console,
                        before_save);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::verification || !verification.failed()) throw;
    if (!arguments.keep_failed) {
      throw Error(error.kind(),
                  fmt::format("{}\nNothing was saved; --keep_failed saves such a "
                              "model under another name.",
                              error.what()),
                  error.findings());
    }
    const std::filesystem::path kept = failed_name(output);
    convert_file(arguments.input, kept, arguments.options);
    throw Error(error.kind(),
                fmt::format("{}\nThe model was kept as {}; {} was not saved.", error.what(),
                            shown(kept), shown(output)),
                error.findings());
  }
}

}  // namespace

int run_convert(const Invocation& invocation) {
  Arguments arguments;
  if (const auto answer = parse(invocation.arguments, arguments)) return print_answer(*answer);
  Console console(arguments.printing);
  for (const std::string& note : arguments.notes) console.line("note", note);

  std::optional<Verification> verification;
  Report report;
  if (arguments.verify) {
    verification.emplace(arguments.verification, "--verify_onnx", console);
    try {
      report = convert_verified(arguments, *verification, command_line_text(invocation), console);
    } catch (const Error& error) {
      return verification->print_failure(error, arguments.printing.json);
    }
  } else {
    report = convert_file(arguments.input, arguments.output, arguments.options, &console);
  }
  console.line("saved", shown(report.output.path));
  if (!report.output.external_data_path.empty()) {
    console.line(
        "", fmt::format("{} (keep it beside the model)", shown(report.output.external_data_path)));
  }
  if (arguments.printing.verbose) console.plain(fmt::format("\n{}", model_table(report)));
  const std::string verify = verification ? "" : verify_line(invocation.program, arguments, report);
  const std::string trtexec = trtexec_line(report);
  print_next(console, report, verify, trtexec);
  if (arguments.printing.json) {
    print_result(
        conversion_json(report, verification ? verification->json() : Json(), verify, trtexec),
        fmt::format("{} was saved", shown(report.output.path)));
  }
  return kDone;
}

}  // namespace aether2onnx::cli
