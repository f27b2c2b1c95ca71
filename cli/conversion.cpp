#include "conversion.h"

#include <fmt/format.h>

#include "shell.h"

namespace aether2onnx::cli {

std::string trtexec_line(const Report& report) {
  std::vector<std::string> words = {"trtexec"};
  const EngineCommand command = trtexec_command(engine_model(report), {});
  words.insert(words.end(), command.arguments.begin(), command.arguments.end());
  return shell_line(words);
}

std::string engine_line(const std::string& program, const Report& report) {
  return shell_line({program, "engine", argument_path(report.output.path)});
}

std::string verify_line(const std::string& program, const ConvertArguments& arguments,
                        const std::filesystem::path& input, const Report& report) {
  std::vector<std::string> words = {program, "verify", argument_path(report.output.path),
                                    "--against", argument_path(input)};
  if (arguments.options.params_key) {
    words.insert(words.end(), {"--params_key", *arguments.options.params_key});
  }
  return shell_line(words);
}

namespace {

// The name under which a model that failed is kept: out.onnx becomes out.failed.onnx.
std::filesystem::path failed_name(std::filesystem::path output) {
  return output.replace_extension(".failed" + output.extension().string());
}

}  // namespace

Report convert_verified(const ConvertArguments& arguments, const Paths& paths,
                        Verification& verification, const std::string& command, Console& console) {
  std::filesystem::path output = paths.output;
  const BeforeSave before_save = [&](const Report& report, const std::filesystem::path& candidate) {
    output = report.output.path;
    VerificationTask task;
    task.checkpoint = paths.input;
    task.params_key = arguments.options.params_key;
    task.model = candidate;
    task.model_name = report.output.path.filename().string();
    task.command = command;
    verification.run(task, console);
  };
  try {
    return convert_file(paths.input, paths.output, arguments.options, &console, before_save);
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
    convert_file(paths.input, kept, arguments.options);
    throw Error(error.kind(),
                fmt::format("{}\nThe model was kept as {}; {} was not saved.", error.what(),
                            shown(kept), shown(output)),
                error.findings());
  }
}

}  // namespace aether2onnx::cli
