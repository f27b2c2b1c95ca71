// The program: arguments in, the library's work, text and an exit code out.

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <optional>

#include "arguments.h"
#include "base/text.h"
#include "console.h"
#include "verification.h"

namespace aether2onnx::cli {

namespace {

enum ExitCode { kDone = 0, kFailed = 1, kWrongUsage = 2 };

extern "C" void end_on_signal(int signal) {
  remove_temporary_files();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void remove_temporary_files_on_signals() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    if (std::signal(signal, end_on_signal) == SIG_IGN) std::signal(signal, SIG_IGN);
  }
  // Beyond a file size limit write() shall fail with EFBIG, which is told like a full disk.
  std::signal(SIGXFSZ, SIG_IGN);
  // A reader of the log that goes away must not end the conversion.
  std::signal(SIGPIPE, SIG_IGN);
}

std::string shown(const std::filesystem::path& path) {
  constexpr std::size_t longest = 4096;
  return printable(path.string(), longest);
}

std::string trtexec_line(const Report& report) {
  std::vector<std::string> arguments = {"trtexec"};
  for (std::string& argument : trtexec_arguments(report)) arguments.push_back(std::move(argument));
  return shell_line(arguments);
}

// The command that repeats this conversion with verification.
std::string verify_line(const std::string& program, const std::vector<std::string>& command_line) {
  std::vector<std::string> arguments = {program};
  const auto end_of_options = std::find(command_line.begin(), command_line.end(), "--");
  arguments.insert(arguments.end(), command_line.begin(), end_of_options);
  arguments.emplace_back("--verify_onnx");
  arguments.insert(arguments.end(), end_of_options, command_line.end());
  return shell_line(arguments);
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

int convert(const std::string& program, const std::vector<std::string>& command_line,
            const Arguments& arguments, Console& console) {
  for (const std::string& note : arguments.notes) console.line("note", note);
  if (!arguments.device.empty()) {
    console.line("note", fmt::format("--device {}: conversion needs no device{}", arguments.device,
                                     arguments.verify ? "; verification runs on the CPU" : ""));
  }
  std::optional<Verification> verification;
  BeforeSave before_save;
  if (arguments.verify) {
    verification.emplace(arguments);
    before_save = [&](const Report& report, const std::filesystem::path& candidate) {
      verification->run(report, candidate, console);
    };
  }
  const Report report =
      convert_file(arguments.input, arguments.output, arguments.options, &console, before_save);
  console.line("saved", shown(report.output.path));
  if (!report.output.external_data_path.empty()) {
    console.line(
        "", fmt::format("{} (keep it beside the model)", shown(report.output.external_data_path)));
  }
  if (arguments.verbose) console.plain(fmt::format("\n{}", model_table(report)));
  const std::string verify = arguments.verify ? "" : verify_line(program, command_line);
  const std::string trtexec = trtexec_line(report);
  print_next(console, report, verify, trtexec);
  if (arguments.json) {
    const std::string json =
        result_json(report, verification ? verification->json() : "", verify, trtexec);
    if (!write_text(stdout, json)) {
      throw Error(ErrorKind::io, fmt::format("{} was saved, but the result can't be printed.",
                                             shown(report.output.path)));
    }
  }
  return kDone;
}

int failed(bool json, const std::string& kind, const std::string& message,
           const std::vector<std::string>& findings, int exit_code) {
  write_text(stderr, fmt::format("error: {}\n", message));
  if (json) write_text(stdout, error_json(kind, message, findings, exit_code));
  return exit_code;
}

int run(const std::string& program, const std::vector<std::string>& command_line) {
  const bool json = wants_json(command_line);
  try {
    remove_temporary_files_on_signals();
    Arguments arguments;
    if (const auto answer = parse(command_line, arguments)) {
      return write_text(stdout, answer->text) ? answer->exit_code : kFailed;
    }
    Console console(arguments.json, arguments.quiet);
    return convert(program, command_line, arguments, console);
  } catch (const Error& error) {
    const bool usage = error.kind() == ErrorKind::usage;
    return failed(json, std::string(to_string(error.kind())), error.what(), error.findings(),
                  usage ? kWrongUsage : kFailed);
  } catch (const std::bad_alloc&) {
    return failed(json, "limit", "there isn't enough memory.", {}, kFailed);
  } catch (const std::exception& error) {
    return failed(
        json, "internal",
        fmt::format("{}\nThis is a defect of aether2onnx; please report it.", error.what()), {},
        kFailed);
  }
}

}  // namespace

}  // namespace aether2onnx::cli

int main(int count, char** values) {
  const std::vector<std::string> words(values, values + count);
  if (words.empty()) return 2;
  return aether2onnx::cli::run(words[0], {words.begin() + 1, words.end()});
}
