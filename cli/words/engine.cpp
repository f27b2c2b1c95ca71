#include <fmt/format.h>

#include <initializer_list>

#include "base/error.h"
#include "judge/targets.h"
#include "options.h"

namespace aether2onnx::cli {

namespace {

// Adds an option whose value is a file name. parse() throws Error(usage) if the name is empty.
void add_name(CommandLine& line, const char* option, std::filesystem::path& file,
              const char* text) {
  line.add(option, &file, "FILE", text);
  line.then([&line, &file, option] {
    if (!file.empty() || !line.given(option + 2)) return;
    fail({ErrorKind::usage, "option-file", option + 2, "a file"}, "{}: the file's name is empty.",
         option);
  });
}

judge::EngineRoute route_of(const EngineRequest& request) {
  return judge::row_of(request.target.target).engine;
}

void take_target(const std::vector<TargetVersion>& targets, EngineRequest& request) {
  using judge::EngineRoute;
  if (targets.empty()) return;
  if (targets.size() > 1) {
    fail({ErrorKind::usage, "option-value-count", "for", "1", fmt::format("{}", targets.size())},
         "--for: one target is expected, but there are {}.", targets.size());
  }
  request.target = targets.front();
  const EngineRoute route = route_of(request);
  const judge::TargetRow& row = judge::row_of(request.target.target);
  if (route == EngineRoute::none || route == EngineRoute::own) {
    fail({ErrorKind::usage, "engine-no-engine", "for", "", std::string(row.name)},
         "--for {0}: {1} {2}.\nConvert the checkpoint with --for {0}, and give {1} the ONNX file.",
         row.name, row.title,
         route == EngineRoute::own ? "builds the engine itself"
                                   : "reads the ONNX file itself and needs no engine");
  }
  const std::string& version = request.target.version;
  if (version.empty()) return;
  if (route == EngineRoute::trtexec) {
    request.version = parse_tensorrt_version(version);
  } else if (route == EngineRoute::tensorrt_rtx) {
    request.version = parse_tensorrt_rtx_version(version);
  } else {
    fail({ErrorKind::usage, "option-version", "for", std::string(row.name), version},
         "--for {}:{}: the command `engine` needs the version of TensorRT, not the version of the "
         "program in --for.\n"
         "Give TensorRT's version with --trt_version, and no version in --for.",
         row.name, version);
  }
}

void take_version(const TensorRtVersion& version, EngineRequest& request) {
  if (request.version && *request.version != version) {
    fail({ErrorKind::usage, "option-conflict", "trt_version", to_string(*request.version),
          to_string(version)},
         "--trt_version {} contradicts --for {}.\nOmit one of the two versions.",
         to_string(version), to_string(request.target));
  }
  request.version = version;
}

void add_target(CommandLine& line, EngineRequest& request) {
  line.group("Target");
  const auto targets = std::make_shared<std::vector<TargetVersion>>();
  add_targets(line, *targets,
              "tensorrt: print the command of trtexec. tensorrt-rtx: the\n"
              "command of tensorrt_rtx. onnxruntime: the options of ONNX\n"
              "Runtime's TensorRT provider. vsmlrt: the call in\n"
              "VapourSynth. Other targets need no engine, or build the\n"
              "engine themselves. Default: tensorrt. The targets:");
  line.then([&request, targets] { take_target(*targets, request); });
  const auto version = std::make_shared<std::optional<std::string>>();
  line.add("--trt_version", version.get(), "V",
           "Version of TensorRT: 8.6, 10, 10.3.0, …; 8.4 or newer.\n"
           "Default: the version of the trtexec that is found, else 10");
  line.then([&request, version] {
    if (*version) take_version(parse_tensorrt_version(**version), request);
  });
  line.add("--trtexec", &request.trtexec, "FILE",
           "The trtexec to use. Default: the first trtexec in PATH,\n"
           "$TENSORRT_HOME/bin, $TENSORRT_ROOT/bin and TensorRT's usual\n"
           "folders (on Linux for example /usr/src/tensorrt/bin)");
  line.add_choice(
      "--shell", std::array{Shell::bash, Shell::powershell, Shell::cmd}, request.shell,
      fmt::format("The shell for the printed command. Default: {}", to_string(usual_shell())));
  line.add_flag("--run", request.run, "Run trtexec. An older engine is replaced only on success");
  line.add_flag("--build", request.build,
                "tensorrt-rtx: build the engine here, without a GPU, in a\n"
                "Python that has NVIDIA's package tensorrt-rtx");
  line.add("--python", &request.python, "FILE",
           "The Python for --build. Default: python3 in PATH, then the\n"
           "Python in the folder of aether2onnx");
  add_name(line, "--log", request.log,
           "The file for the builder's messages, with --run or --build.\n"
           "Default: the engine's name with .log added");
}

void add_engine(CommandLine& line, EngineOptions& options) {
  line.group("Engine");
  add_name(line, "--save_engine", options.engine,
           "The file for the engine. Default:\n"
           "{name}_trt{version}_{shapes}.engine beside the model");
  line.add_choice(
      "--precision",
      std::array{EnginePrecision::as_model, EnginePrecision::fp16, EnginePrecision::bf16},
      options.precision,
      "as_model: the types in the ONNX file. fp16, bf16: let TensorRT\n"
      "10 and older use this type in a float32 model. Default:\n"
      "as_model");
  line.add("--workspace", &options.workspace, "MIB",
           "Memory for layers while they run, in MiB.\n"
           "Default: all memory of the GPU");
  add_name(line, "--timing_cache", options.timing_cache,
           "Keep TensorRT's measurements in this file, for later builds");
  line.add("--builder_optimization_level", &options.builder_optimization_level, "N",
           "How long to search for fast kernels, 0 to 5;\n"
           "TensorRT 8.6 or newer. TensorRT's default is 3");
  line.add("--device", &options.device, "N", "Number of the GPU to use. Default: the first GPU");
  const auto capabilities = std::make_shared<std::vector<std::string>>();
  line.add_list("--compute_capabilities", *capabilities, "LIST",
                "Compute capabilities of the GPUs for the engine, as in\n"
                "7.5,8.9,12.0; only with tensorrt-rtx. Default: 8.0, 8.6, 8.9,\n"
                "12.0 and newer");
  line.then([&options, capabilities] {
    for (const std::string& text : *capabilities) {
      options.compute_capabilities.push_back(parse_compute_capability(text));
    }
  });
}

// Throws Error(usage) if the user gave an option that cannot be used with the program in --for.
void check_for_target(const CommandLine& line, const EngineRequest& request) {
  using judge::EngineRoute;
  const EngineRoute route = route_of(request);
  const auto refuse = [&](std::initializer_list<const char*> names, const char* why) {
    for (const char* name : names) {
      if (!line.given(name)) continue;
      fail({ErrorKind::usage, "option-conflict", name}, "--{} can't be used with --for {}: {}.",
           name, to_string(request.target), why);
    }
  };
  if (route != EngineRoute::tensorrt_rtx) {
    refuse({"compute_capabilities"}, "TensorRT builds for the GPU on which it runs");
    refuse({"build", "python"}, "only TensorRT for RTX builds without a GPU");
  }
  if (route == EngineRoute::trtexec) return;
  if (route == EngineRoute::tensorrt_rtx) {
    refuse({"run", "trtexec"}, "give --build, which needs no GPU");
    refuse({"trt_version"}, "give the version with --for, as in tensorrt-rtx:1.7");
    if (request.build) {
      refuse(
          {"device"},
          "--build uses no GPU; --compute_capabilities chooses the GPUs that will run the engine");
      refuse({"timing_cache"}, "TensorRT for RTX measures nothing while it builds");
    }
    return;
  }
  refuse({"run", "log", "save_engine", "trtexec"},
         "this target builds and names the engine itself");
  refuse({"shell"}, "the output is not a command line");
  if (route == EngineRoute::vsmlrt)
    refuse({"timing_cache"}, "vs-mlrt keeps a cache beside each engine");
}

}  // namespace

void add_words(CommandLine& line, EngineRequest& request) {
  line.describe("Builds a TensorRT engine from an ONNX file, or prints the command to do so.",
                "Usage: aether2onnx engine MODEL.onnx [options]\n",
                R"(Prints the command that builds the engine. stdout contains only the command, also
with --quiet; notes go to stderr. With --run, builds the engine. With
--for tensorrt-rtx --build, NVIDIA's Python package tensorrt-rtx builds the engine on
a machine without a GPU.

Without --trt_version, the version is that of trtexec: the program in --trtexec, in
PATH or in TensorRT's usual folders. If there is no trtexec, the command is for
TensorRT 10. MODEL.onnx may come from any exporter. If the model's metadata contain
no range for a dynamic input, give the sizes.

Exit code: 0 done, 1 failed, 2 wrong usage.)");
  add_file(line, request.model, "one ONNX file is expected");
  add_target(line, request);
  add_engine(line, request.options);
  add_shape_options(line, request.shape, true);
  line.add_printing(request.printing);
  line.then([&] {
    request.inputs = line.inputs();
    check_for_target(line, request);
    if (!request.log.empty() && !request.run && !request.build) {
      request.notes.emplace_back("--log has no effect without --run or --build");
    }
    if (request.python && !request.build) {
      request.notes.emplace_back("--python has no effect without --build");
    }
  });
}

}  // namespace aether2onnx::cli
