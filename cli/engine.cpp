// The command `engine`: builds a TensorRT engine from an ONNX file, or prints the command to do so.

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "judge/engine/engine.h"
#include "judge/targets.h"
#include "port/port.h"
#include "render/results.h"
#include "rtx_builder.h"
#include "shapes.h"
#include "trtexec.h"

namespace aether2onnx::cli {

namespace {

// The program that builds the engine: trtexec or a Python interpreter. Both members are empty if no
// program was needed or found. `origin` tells where TensorRT's version comes from: the program's
// path, or the option that sets the version ("--for" or "--trt_version"). If no program and no
// option sets the version, `origin` is "assumed".
struct Choice {
  std::optional<Trtexec> trtexec;
  std::optional<RtxPython> python;
  std::string origin;
};

// Returns whether the installed version `found` fits the requested version `asked`. A number that
// is missing in `asked` matches any number in `found`: 10 matches 10.3.0.
bool is_release_of(const TensorRtVersion& found, const TensorRtVersion& asked) {
  constexpr int unsaid = TensorRtVersion::kNewest;
  return found.major == asked.major && (asked.minor == unsaid || asked.minor == found.minor) &&
         (asked.patch == unsaid || asked.patch == found.patch);
}

// Sets `version` to the version of TensorRT for RTX from --for, or to the newest version. With
// --build, finds the Python interpreter that builds the engine, and sets `version` to the version
// that is installed there. Returns this interpreter, if any, and the origin of `version`.
Choice choose_rtx(const EngineRequest& request, TensorRtVersion& version) {
  Choice choice;
  version = request.version.value_or(newest_tensorrt_rtx());
  choice.origin = request.version ? "--for" : "assumed";
  if (!request.build) return choice;
  choice.python = find_rtx_python(request.python);
  version = choice.python->version;
  choice.origin = choice.python->program.string();
  if (!request.version || is_release_of(version, *request.version)) return choice;
  fail({ErrorKind::usage, "engine-version", "for", to_string(*request.version), to_string(version)},
       "--for tensorrt-rtx:{} does not match the installed version: the Python {} has TensorRT for "
       "RTX {}.\nLeave the version out of --for, or give another Python with --python.",
       to_string(*request.version), shown(choice.python->program), to_string(version));
}

Choice choose_program(const EngineRequest& request, TensorRtVersion& version,
                      std::vector<std::string>& notes) {
  using judge::EngineRoute;
  const EngineRoute route = judge::row_of(request.target.target).engine;
  if (route == EngineRoute::tensorrt_rtx) return choose_rtx(request, version);
  const bool for_trtexec = route == EngineRoute::trtexec;
  Choice choice;
  if (for_trtexec && (request.run || !request.version)) {
    choice.trtexec = request.trtexec ? trtexec_at(*request.trtexec) : find_trtexec();
  }
  const auto& found = choice.trtexec;
  if (request.run && !found) {
    throw ProgramError(
        "engine",
        {"engine-no-trtexec", "run", "", "",
         fmt::format("--run: there is no trtexec in PATH, {}.\nTensorRT's packages and containers "
                     "contain trtexec, but TensorRT's Python wheels do not. Give the path of "
                     "trtexec with --trtexec.",
                     usual_trtexec_folders())});
  }
  if (found && request.version && !is_release_of(found->version, *request.version)) {
    const std::string asked = to_string(*request.version);
    const char* option = request.target.version.empty() ? "trt_version" : "for";
    fail({ErrorKind::usage, "engine-version", option, asked, to_string(found->version)},
         "--{} asks for TensorRT {}, but {} belongs to TensorRT {}.\nCorrect the version, or give "
         "another --trtexec.",
         option, asked, shown(found->program), to_string(found->version));
  }
  if (found) {
    version = found->version;
    choice.origin = found->program.string();
  } else if (request.version) {
    version = *request.version;
    choice.origin = request.target.version.empty() ? "--trt_version" : "--for";
  } else {
    choice.origin = "assumed";
    notes.push_back(
        for_trtexec
            ? fmt::format("no trtexec was found, so the command is for TensorRT {}; "
                          "for another version, give --trt_version or --trtexec",
                          to_string(version))
            : fmt::format("the output is for TensorRT {}; for another version, give --trt_version",
                          to_string(version)));
  }
  return choice;
}

void apply_shape(const EngineRequest& request, EngineModel& model,
                 std::vector<std::string>& notes) {
  if (!is_given(request.shape)) return;
  model.shape = profile_of(request.shape, model.shape, model.channels, notes);
  if (model.profile_problem.empty()) return;
  notes.push_back(
      fmt::format("{}; aether2onnx uses convert's defaults for the sizes that you did not give",
                  model.profile_problem));
  model.profile_problem.clear();
}

void add(std::vector<std::string>& notes, const std::vector<std::string>& more) {
  notes.insert(notes.end(), more.begin(), more.end());
}

// Returns the files that no output may replace: the ONNX file and its external data, the
// configuration file (--config), and the program that builds the engine.
io::FilesRead files_read(const EngineRequest& request, const EngineModel& model,
                         const Choice& choice) {
  io::FilesRead files = judge::engine::files_read(model);
  for (const std::filesystem::path& input : request.inputs) files.add(input);
  if (choice.trtexec) files.add(choice.trtexec->program);
  if (choice.python) files.add(choice.python->program);
  return files;
}

void print_built(Console& console, const BuiltEngine& built, const std::string& replaced,
                 Json& json) {
  console.line("built", fmt::format("{} in {:.1f} s; the builder's output is in {}",
                                    human_bytes(built.bytes), built.seconds, shown(built.log)));
  console.line("saved", saved_text(built.engine, replaced));
  json["built"] = {{"bytes", built.bytes}, {"seconds", built.seconds}, {"log", built.log.string()}};
}

std::string capabilities_text(const EngineOptions& options) {
  std::vector<std::string> names;
  for (const int capability : judge::engine::tensorrt_rtx_capabilities(options)) {
    names.push_back(fmt::format("{}.{}", capability / 10, capability % 10));
  }
  return join(names, ", ");
}

// Builds the engine with trtexec or Python. Returns a text for messages: "model.engine was saved".
std::string build(const EngineRequest& request, const Choice& choice, const EngineModel& model,
                  const EngineOptions& options, const io::FilesRead& read, Console& console,
                  Json& json) {
  const std::filesystem::path engine = json["engine"].get<std::string>();
  EngineBuilder builder;
  if (choice.python) {
    builder = rtx_builder(*choice.python, model, options);
    console.line("builder",
                 fmt::format("TensorRT for RTX {}, module {} of {}", to_string(options.version),
                             choice.python->module, shown(choice.python->program)));
    console.line("GPUs", "compute capability " + capabilities_text(options));
  } else {
    builder = trtexec_builder(*choice.trtexec, model, options);
    console.line("trtexec", fmt::format("TensorRT {}, {}", to_string(options.version),
                                        shown(choice.trtexec->program)));
    console.line("command", json["command"].get<std::string>());
  }
  const std::string replaced = io::time_written(engine);
  const BuiltEngine built = build_engine(builder, engine, options, request.log, read, console);
  print_built(console, built, replaced, json);
  return fmt::format("{} was saved", shown(built.engine));
}

}  // namespace

int run(const EngineRequest& request, const Invocation& /*invocation*/) {
  using judge::EngineRoute;
  std::vector<std::string> notes = request.notes;
  EngineModel model = read_engine_model(request.model, task_context());
  apply_shape(request, model, notes);
  EngineOptions options = request.options;
  if (request.build) {  // throws if the build is impossible, before searching for a Python
    options.version = request.version.value_or(newest_tensorrt_rtx());
    tensorrt_rtx_command(model, options);
  }
  const Choice choice = choose_program(request, options.version, notes);
  Json json = engine_json(request, model, options.version, choice.origin,
                          choice.trtexec ? choice.trtexec->program : "",
                          choice.python ? choice.python->program : "");
  const io::FilesRead read = files_read(request, model, choice);
  std::string text;
  switch (judge::row_of(request.target.target).engine) {
    case EngineRoute::provider: {
      const ProviderOptions result = onnxruntime_options(model, options);
      json["provider_options"] = Json::object();
      for (const auto& [key, value] : result.options) {
        text += fmt::format("{}={}\n", key, printable(value, value.size()));
        json["provider_options"][key] = value;
      }
      json["python"] = result.python;
      text += "\n" + result.python;
      add(notes, result.notes);
      break;
    }
    case EngineRoute::vsmlrt: {
      const PlayerCall result = vsmlrt_call(model, options);
      json["python"] = text = result.python;
      add(notes, result.notes);
      break;
    }
    case EngineRoute::trtexec:
    case EngineRoute::tensorrt_rtx: {
      const bool rtx = request.target.target == Target::tensorrt_rtx;
      const EngineCommand command =
          rtx ? tensorrt_rtx_command(model, options) : trtexec_command(model, options);
      judge::engine::check_outputs(command.engine, options, read);
      std::vector<std::string> words = {rtx              ? "tensorrt_rtx"
                                        : choice.trtexec ? choice.trtexec->word
                                                         : request.trtexec.value_or("trtexec")};
      add(words, command.arguments);
      text = shell_line(words, request.shell);
      json["arguments"] = command.arguments;
      json["command"] = text;
      json["shell"] = to_string(request.shell);
      json["engine"] = command.engine.string();
      json["built"] = nullptr;
      add(notes, command.notes);
      break;
    }
    case EngineRoute::none:
    case EngineRoute::own: {
      defect("--for accepted a target that needs no engine");
    }
  }
  json["notes"] = notes;
  // If stdout gets the result, the log goes to stderr. With --json, the result is a JSON object.
  // Without --json, --run and --build, the result is `text`, for example the command that builds
  // the engine. With --run or --build, but without --json, stdout gets the log.
  const bool builds = request.run || request.build;
  const bool to_stdout = builds && !request.printing.json;
  Console console(request.printing, to_stdout ? stdout : stderr);
  for (const std::string& note : notes) console.note(note);
  std::string done = "the model was read";
  if (builds) done = build(request, choice, model, options, read, console, json);
  if (request.printing.json) {
    print_result(json, done);
  } else if (!builds && !port::write_text(stdout, text + "\n")) {
    task_context().check_cancelled();
    fail({ErrorKind::io, "command-output"}, "the result can't be printed.");
  }
  return kDone;
}

}  // namespace aether2onnx::cli
