#include "conversion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "checkpoint_arguments.h"
#include "shell.h"

namespace aether2onnx::cli {

std::string trtexec_line(const ConvertReport& report) {
  std::vector<std::string> words = {"trtexec"};
  const EngineCommand command = trtexec_command(engine_model(report), {});
  words.insert(words.end(), command.arguments.begin(), command.arguments.end());
  return shell_line(words);
}

std::string engine_line(const std::string& program, const ConvertReport& report) {
  return shell_line({program, "engine", argument_path(report.output.path)});
}

std::string verify_line(const std::string& program, const ConvertArguments& arguments,
                        const std::filesystem::path& input, const ConvertReport& report) {
  std::vector<std::string> words = {program, "verify", argument_path(report.output.path),
                                    "--against", argument_path(input)};
  const std::vector<std::string> reading = read_option_words(arguments.options.read);
  words.insert(words.end(), reading.begin(), reading.end());
  return shell_line(words);
}

namespace {

// Thrown out of a conversion that is to be repeated with more parts in float32.
struct Repeat {
  std::vector<std::string> fp32_blocks;
};

// What a repeated conversion tells anew.
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

// "layers.0.3 (largest value 1.2e+05)", from the verification's ranges.
std::string blocks_text(const std::vector<std::string>& blocks, const Json& verification) {
  std::vector<std::string> texts;
  for (const std::string& block : blocks) {
    std::string text = block;
    for (const Json& range : verification["ranges"]) {
      if (range["path"] != block || range["max_absolute"].is_null()) continue;
      text += fmt::format(" (largest value {:.3g})", range["max_absolute"].get<double>());
    }
    texts.push_back(std::move(text));
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

// The name under which a model that failed is kept: out.onnx becomes out.failed.onnx.
std::filesystem::path failed_name(std::filesystem::path output) {
  return output.replace_extension(".failed" + output.extension().string());
}

}  // namespace

ConvertReport convert_verified(const ConvertArguments& arguments, const Paths& paths,
                               Verification& verification, const std::string& command,
                               Console& console) {
  std::filesystem::path output = paths.output;
  ConvertOptions options = arguments.options;
  const BeforeSave before_save = [&](const ConvertReport& report,
                                     const std::filesystem::path& candidate) {
    output = report.output.path;
    VerificationTask task;
    task.checkpoint = paths.input;
    task.reading = arguments.options.read;
    task.limits = arguments.limits;
    task.model = candidate;
    task.model_name = report.output.path.filename().string();
    task.command = command;
    if (is_mixed(options.precision)) task.fp32_blocks = options.fp32_blocks;
    std::vector<std::string> blocks = verification.run(task, console);
    if (!blocks.empty()) throw Repeat{std::move(blocks)};
  };
  RepeatObserver repeat_observer(console);
  Observer* observer = &console;
  try {
    for (;;) {
      try {
        return convert_file(paths.input, paths.output, options, {arguments.limits, observer},
                            before_save);
      } catch (Repeat& repeat) {
        // Each time there are more of them, and the network has only so many.
        console.line("float32", blocks_text(repeat.fp32_blocks, verification.json()) +
                                    ": too large or too coarse in half precision");
        options.fp32_blocks.insert(options.fp32_blocks.end(), repeat.fp32_blocks.begin(),
                                   repeat.fp32_blocks.end());
        observer = &repeat_observer;
      }
    }
  } catch (const ProgramError& error) {
    if (!verification.failed()) throw;
    ProgramError with_remedy = error;
    if (arguments.keep_failed) {
      const std::filesystem::path kept = failed_name(output);
      convert_file(paths.input, kept, options, {arguments.limits});
      with_remedy.diagnostic.text +=
          fmt::format("\nThe model was kept as {}; {} was not saved.", shown(kept), shown(output));
    } else {
      with_remedy.diagnostic.text +=
          "\nNothing was saved; --keep_failed saves such a model under another name.";
    }
    throw with_remedy;
  }
}

void print_conversion(const ConvertReport& report, const Verification* verification,
                      const std::string& verify_command, const std::string& trtexec_command) {
  print_result(conversion_json(report, verification == nullptr ? Json() : verification->json(),
                               verify_command, trtexec_command),
               fmt::format("{} was saved", shown(report.output.path)));
}

}  // namespace aether2onnx::cli
