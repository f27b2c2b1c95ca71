#include <fmt/format.h>

#include "base/error.h"
#include "options.h"

namespace aether2onnx::cli {

namespace {

// A file name of the option, which must not be empty.
void add_name(CommandLine& line, const char* option, std::filesystem::path& file,
              const char* text) {
  line.add(option, &file, "FILE", text);
  line.then([&line, &file, option] {
    if (!file.empty() || !line.given(option + 2)) return;
    fail({ErrorKind::usage, "option-file", option + 2, "a file"}, "{}: the file's name is empty.",
         option);
  });
}

void add_target(CommandLine& line, EngineRequest& request) {
  line.group("What for");
  line.add_choice(
      "--for", std::array{EngineTarget::trtexec, EngineTarget::onnxruntime, EngineTarget::vsmlrt},
      request.target,
      "trtexec: its command. onnxruntime: the options of its\n"
      "TensorRT execution provider. vsmlrt: the call of vs-mlrt\n"
      "in VapourSynth. Default: trtexec");
  const auto version = std::make_shared<std::optional<std::string>>();
  line.add("--trt_version", version.get(), "V",
           "Version of TensorRT: 8.6, 10, 10.3.0, …; 8.4 or newer.\n"
           "Default: that of the trtexec found, else 10");
  line.then([&request, version] {
    if (*version) request.version = parse_tensorrt_version(**version);
  });
  line.add("--trtexec", &request.trtexec, "FILE", "The trtexec to use. Default: it is looked for");
  line.add_choice(
      "--shell", std::array{Shell::bash, Shell::powershell, Shell::cmd}, request.shell,
      fmt::format("What the line is written for. Default: {}", to_string(usual_shell())));
  line.add_flag("--run", request.run, "Run trtexec, and put the engine in place when it is done");
  add_name(line, "--log", request.log,
           "Where trtexec's output goes with --run.\n"
           "Default: the engine's name with .log behind it");
}

void add_engine(CommandLine& line, EngineOptions& options) {
  line.group("Engine");
  add_name(line, "--save_engine", options.engine,
           "Where the engine goes. Default:\n"
           "{name}_trt{version}_{shapes}.engine beside the model");
  line.add_choice(
      "--precision",
      std::array{EnginePrecision::as_model, EnginePrecision::fp16, EnginePrecision::bf16},
      options.precision,
      "as_model: what the file says. fp16, bf16: let TensorRT\n"
      "(up to 10) use it in a float32 model. Default: as_model");
  line.add("--workspace", &options.workspace, "MIB",
           "Memory for layers while they run, in MiB.\n"
           "Default: what the GPU has");
  add_name(line, "--timing_cache", options.timing_cache,
           "Keep in this file what was measured, for later builds");
  line.add("--builder_optimization_level", &options.builder_optimization_level, "N",
           "How long to look for fast kernels, 0 to 5;\n"
           "TensorRT 8.6 or newer. TensorRT's default is 3");
  line.add("--device", &options.device, "N", "Which GPU. Default: the first");
}

// ConvertOptions that only trtexec takes are an error for the other targets.
void check_for_target(const CommandLine& line, const EngineRequest& request) {
  if (request.target == EngineTarget::trtexec) return;
  const auto refuse = [&](const char* name, const char* why) {
    if (!line.given(name)) return;
    fail({ErrorKind::usage, "option-conflict", name}, "--{} doesn't go with --for {}: {}.", name,
         to_string(request.target), why);
  };
  for (const char* name : {"run", "log", "save_engine", "trtexec"}) {
    refuse(name, "it builds and names the engine itself");
  }
  refuse("shell", "what is printed is no command line");
  if (request.target == EngineTarget::vsmlrt) {
    refuse("timing_cache", "it keeps one beside each engine");
  }
}

}  // namespace

std::string_view to_string(EngineTarget target) noexcept {
  constexpr std::array<std::string_view, 3> names = {"trtexec", "onnxruntime", "vsmlrt"};
  return names.at(static_cast<std::size_t>(target));
}

void add_words(CommandLine& line, EngineRequest& request) {
  line.describe("Builds a TensorRT engine from an ONNX file, or says how.",
                "Usage: aether2onnx engine MODEL.onnx [options]\n",
                R"(Prints the line that builds the engine, on stdout and alone, also with --quiet;
what there is to know about it goes to stderr. With --run it is built.

Without --trt_version the trtexec of --trtexec, of PATH or of TensorRT's usual
folders is asked for its version; where there is none, the line is for
TensorRT 10. MODEL.onnx may be of any exporter; where its metadata have no range
for a dynamic input, give the sizes.

Exit code: 0 done, 1 failed, 2 wrong usage.)");
  add_file(line, request.model, "one ONNX file is expected");
  add_target(line, request);
  add_engine(line, request.options);
  add_shape_options(line, request.shape, true);
  line.add_printing(request.printing);
  line.then([&] {
    request.inputs = line.inputs();
    check_for_target(line, request);
    if (!request.log.empty() && !request.run) {
      request.notes.emplace_back("--log has no effect without --run");
    }
  });
}

}  // namespace aether2onnx::cli
