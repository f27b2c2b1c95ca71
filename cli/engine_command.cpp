#include "engine_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "command_line.h"
#include "console.h"
#include "engine_build.h"
#include "json.h"
#include "shape_arguments.h"
#include "shell.h"
#include "trtexec.h"

namespace aether2onnx::cli {

namespace {

enum class Target { trtexec, onnxruntime, vsmlrt };

struct Arguments {
  std::filesystem::path model;
  Target target = Target::trtexec;
  std::string target_name;
  std::optional<TensorRtVersion> version;
  std::optional<std::string> trtexec;
  Shell shell = usual_shell();
  EngineOptions options;
  ShapeArguments shape;
  bool run = false;
  std::filesystem::path log;
  Printing printing;
  std::vector<std::string> notes;
};

constexpr const char* kUsage = "Usage: aether2onnx engine MODEL.onnx [options]\n";

constexpr const char* kFooter =
    R"(Prints the line that builds the engine, on stdout and alone, also with --quiet;
what there is to know about it goes to stderr. With --run it is built.

Without --trt_version the trtexec of --trtexec, of PATH or of TensorRT's usual
folders is asked for its version; where there is none, the line is for
TensorRT 10. MODEL.onnx may be of any exporter; where its metadata have no range
for a dynamic input, give the sizes.

Exit code: 0 done, 1 failed, 2 wrong usage.)";

// The command line, and what is kept of it until it is parsed.
struct Parser {
  CommandLine line{"Builds a TensorRT engine from an ONNX file, or says how.", kUsage, kFooter};
  std::string target = "trtexec";
  std::optional<std::string> version;
  std::optional<std::string> shell;
  std::string precision = "as_model";
  std::optional<std::string> engine;
  std::optional<std::string> timing_cache;
  std::optional<std::string> log;

  explicit Parser(Arguments& result);

 private:
  void add_target(Arguments& result);
  void add_engine(Arguments& result);
};

void Parser::add_target(Arguments& result) {
  const std::string group = "What for";
  line.add_option("--for", target,
                  "trtexec: its command. onnxruntime: the options of its\n"
                  "TensorRT execution provider. vsmlrt: the call of vs-mlrt\n"
                  "in VapourSynth. Default: trtexec")
      .group(group)
      .type_name("trtexec|onnxruntime|vsmlrt");
  line.add_option("--trt_version", version,
                  "Version of TensorRT: 8.6, 10, 10.3.0, …; 8.4 or newer.\n"
                  "Default: that of the trtexec found, else 10")
      .group(group)
      .type_name("V");
  line.add_option("--trtexec", result.trtexec, "The trtexec to use. Default: it is looked for")
      .group(group)
      .type_name("FILE");
  line.add_option(
          "--shell", shell,
          fmt::format("What the line is written for. Default: {}", to_string(usual_shell())))
      .group(group)
      .type_name("bash|powershell|cmd");
  line.add_flag("--run", result.run, "Run trtexec, and put the engine in place when it is done")
      .group(group);
  line.add_option("--log", log,
                  "Where trtexec's output goes with --run.\n"
                  "Default: the engine's name with .log behind it")
      .group(group)
      .type_name("FILE");
}

void Parser::add_engine(Arguments& result) {
  const std::string group = "Engine";
  line.add_option("--save_engine", engine,
                  "Where the engine goes. Default:\n"
                  "{name}_trt{version}_{shapes}.engine beside the model")
      .group(group)
      .type_name("FILE");
  line.add_option("--precision", precision,
                  "as_model: what the file says. fp16, bf16: let TensorRT\n"
                  "(up to 10) use it in a float32 model. Default: as_model")
      .group(group)
      .type_name("as_model|fp16|bf16");
  line.add_option("--workspace", result.options.workspace,
                  "Memory for layers while they run, in MiB.\n"
                  "Default: what the GPU has")
      .group(group)
      .type_name("MIB");
  line.add_option("--timing_cache", timing_cache,
                  "Keep in this file what was measured, for later builds")
      .group(group)
      .type_name("FILE");
  line.add_option("--builder_optimization_level", result.options.builder_optimization_level,
                  "How long to look for fast kernels, 0 to 5;\n"
                  "TensorRT 8.6 or newer. TensorRT's default is 3")
      .group(group)
      .type_name("N");
  line.add_option("--device", result.options.device, "Which GPU. Default: the first")
      .group(group)
      .type_name("N");
}

Parser::Parser(Arguments& result) {
  line.add_positionals("MODEL.onnx");
  add_target(result);
  add_engine(result);
  result.shape.add_profile_to(line);
  line.add_printing(result.printing, "");
}

Target parse_target(const std::string& text) {
  constexpr std::array<std::pair<const char*, Target>, 3> targets = {
      {{"trtexec", Target::trtexec},
       {"onnxruntime", Target::onnxruntime},
       {"vsmlrt", Target::vsmlrt}}};
  for (const auto& [name, target] : targets) {
    if (text == name) return target;
  }
  usage_error(fmt::format("--for {}: must be trtexec, onnxruntime or vsmlrt.", printable(text)));
}

EnginePrecision parse_precision(const std::string& text) {
  for (const EnginePrecision precision :
       {EnginePrecision::as_model, EnginePrecision::fp16, EnginePrecision::bf16}) {
    if (text == to_string(precision)) return precision;
  }
  usage_error(fmt::format("--precision {}: must be as_model, fp16 or bf16.", printable(text)));
}

// A name that isn't empty.
std::filesystem::path file_of(const std::optional<std::string>& text, const char* option) {
  if (!text) return {};
  if (text->empty()) usage_error(fmt::format("{}: the file's name is empty.", option));
  return *text;
}

// What only trtexec has, where the line isn't for it.
void check_for_target(const Parser& parser, const Arguments& result) {
  if (result.target == Target::trtexec) return;
  const auto refuse = [&](bool given, const char* option, const char* why) {
    if (!given) return;
    usage_error(fmt::format("{} doesn't go with --for {}: {}.", option, parser.target, why));
  };
  const char* own = "it builds and names the engine itself";
  refuse(result.run, "--run", own);
  refuse(parser.log.has_value(), "--log", own);
  refuse(parser.engine.has_value(), "--save_engine", own);
  refuse(result.trtexec.has_value(), "--trtexec", own);
  refuse(parser.shell.has_value(), "--shell", "what is printed is no command line");
  refuse(result.target == Target::vsmlrt && parser.timing_cache, "--timing_cache",
         "it keeps one beside each engine");
}

std::optional<Answer> parse(const std::vector<std::string>& arguments, Arguments& result) {
  Parser parser(result);
  if (auto answer = parser.line.parse(arguments)) return answer;
  if (parser.line.positionals().size() != 1) {
    usage_error(fmt::format("one ONNX file is expected.\n{}", kUsage));
  }
  result.model = parser.line.positionals().front();
  result.target = parse_target(parser.target);
  result.target_name = parser.target;
  if (parser.version) result.version = parse_tensorrt_version(*parser.version);
  if (parser.shell) result.shell = parse_shell(*parser.shell, "--shell");
  result.options.precision = parse_precision(parser.precision);
  result.options.engine = file_of(parser.engine, "--save_engine");
  result.options.timing_cache = file_of(parser.timing_cache, "--timing_cache");
  result.log = file_of(parser.log, "--log");
  check_for_target(parser, result);
  if (parser.log && !result.run) result.notes.emplace_back("--log has no effect without --run");
  return std::nullopt;
}

// Which trtexec and which version the line is for.
struct Choice {
  std::optional<Trtexec> trtexec;
  std::string origin;  // of the version
};

// Whether what was asked for, as far as it was said, is what there is.
bool is_release_of(const TensorRtVersion& found, const TensorRtVersion& asked) {
  constexpr int unsaid = TensorRtVersion::kNewest;
  return found.major == asked.major && (asked.minor == unsaid || asked.minor == found.minor) &&
         (asked.patch == unsaid || asked.patch == found.patch);
}

Choice choose_trtexec(Arguments& arguments) {
  Choice choice;
  const bool ask = arguments.target == Target::trtexec && (arguments.run || !arguments.version);
  if (ask) {
    choice.trtexec = arguments.trtexec ? trtexec_at(*arguments.trtexec) : find_trtexec();
  }
  if (arguments.run && !choice.trtexec) {
    throw ProgramError(
        "engine",
        {.code = "engine-no-trtexec",
         .subject = "run",
         .text = fmt::format("--run: there is no trtexec in PATH, {}.\n"
                             "It comes with TensorRT's packages and containers, but not with "
                             "its Python wheels; say where it is with --trtexec.",
                             usual_trtexec_folders())});
  }
  if (arguments.version) {
    if (choice.trtexec && !is_release_of(choice.trtexec->version, *arguments.version)) {
      usage_error(
          fmt::format("--trt_version {}, but {} is of TensorRT {}.\nLeave --trt_version "
                      "out, or give another --trtexec.",
                      to_string(*arguments.version), shown(choice.trtexec->program),
                      to_string(choice.trtexec->version)));
    }
    arguments.options.version = *arguments.version;
    choice.origin = "--trt_version";
  }
  if (choice.trtexec) {
    arguments.options.version = choice.trtexec->version;
    choice.origin = choice.trtexec->program.string();
  } else if (!arguments.version) {
    choice.origin = "assumed";
    arguments.notes.push_back(
        arguments.target == Target::trtexec
            ? fmt::format("no trtexec was found, so this is for TensorRT {}; --trt_version or "
                          "--trtexec say otherwise",
                          to_string(arguments.options.version))
            : fmt::format("this is for TensorRT {}; --trt_version says otherwise",
                          to_string(arguments.options.version)));
  }
  return choice;
}

void apply_shape(Arguments& arguments, EngineModel& model) {
  if (!arguments.shape.given()) return;
  model.shape = arguments.shape.resolve_profile(model.shape, model.channels, arguments.notes);
  if (model.profile_problem.empty()) return;
  arguments.notes.push_back(fmt::format("{}; sizes that weren't given are the converter's defaults",
                                        model.profile_problem));
  model.profile_problem.clear();
}

// --- what is printed --------------------------------------------------------------------------

std::string types_text(const EngineModel& model) {
  std::string text = model.is_quantized ? "quantized" : "";
  const auto add = [&](bool has, const char* type) {
    if (has) text += (text.empty() ? "" : " + ") + std::string(type);
  };
  add(model.has_float16, "float16");
  add(model.has_bfloat16, "bfloat16");
  return text.empty() ? "float32" : text;
}

Json result_json(const Arguments& arguments, const EngineModel& model, const Choice& choice) {
  return {{"status", "ok"},
          {"version", version()},
          {"model",
           {{"path", model.path.string()},
            {"opset_version", model.opset_version},
            {"types", types_text(model)},
            {"input", {{"name", model.input_name}, {"dtype", model.input_dtype}}},
            {"output", {{"dtype", model.output_dtype}}},
            {"channels", model.channels},
            {"dynamic", model.shape.is_dynamic()},
            {"batch_size", axis_json(model.shape.batch)},
            {"height", axis_json(model.shape.height)},
            {"width", axis_json(model.shape.width)},
            {"external_files", model.external_files}}},
          {"for", arguments.target_name},
          {"tensorrt",
           {{"version", to_string(arguments.options.version)},
            {"origin", choice.origin},
            {"trtexec", choice.trtexec ? Json(choice.trtexec->program.string()) : Json()}}}};
}

void print_notes(const std::vector<std::string>& notes, Console& console) {
  for (const std::string& note : notes) console.line("note", note);
}

// The result on stdout: JSON with the notes, or the text, which --quiet doesn't drop.
int print(const Arguments& arguments, Json json, const std::vector<std::string>& notes,
          const std::string& text) {
  Console console(arguments.printing, stderr);
  print_notes(notes, console);
  json["notes"] = notes;
  if (arguments.printing.json) {
    print_result(json, "the model was read");
  } else if (!write_text(stdout, text + "\n")) {
    throw Error(ErrorKind::io, "the result can't be printed.");
  }
  return kDone;
}

std::vector<std::string> with(std::vector<std::string> notes,
                              const std::vector<std::string>& more) {
  for (const std::string& note : more) notes.push_back(spelled(note));
  return notes;
}

int print_provider_options(const Arguments& arguments, const EngineModel& model, Json json) {
  const ProviderOptions result = onnxruntime_options(model, arguments.options);
  std::string text;
  json["provider_options"] = Json::object();
  for (const auto& [key, value] : result.options) {
    text += fmt::format("{}={}\n", key, printable(value, value.size()));
    json["provider_options"][key] = value;
  }
  json["python"] = result.python;
  return print(arguments, std::move(json), with(arguments.notes, result.notes),
               text + "\n" + result.python);
}

int print_player_call(const Arguments& arguments, const EngineModel& model, Json json) {
  const PlayerCall result = vsmlrt_call(model, arguments.options);
  json["python"] = result.python;
  return print(arguments, std::move(json), with(arguments.notes, result.notes), result.python);
}

int build(const Arguments& arguments, const EngineModel& model, const Trtexec& trtexec,
          const std::string& line, Json json, const std::vector<std::string>& notes) {
  Console console(arguments.printing);
  print_notes(notes, console);
  console.line("trtexec",
               fmt::format("TensorRT {}, {}", to_string(trtexec.version), shown(trtexec.program)));
  console.line("command", line);
  const BuiltEngine built = build_engine(trtexec, model, arguments.options, arguments.log, console);
  console.line("built", fmt::format("{} in {:.1f} s, trtexec's output is in {}",
                                    human_bytes(built.bytes), built.seconds, shown(built.log)));
  console.line("saved", shown(built.engine));
  json["notes"] = notes;
  json["built"] = {{"bytes", built.bytes}, {"seconds", built.seconds}, {"log", built.log.string()}};
  if (arguments.printing.json) {
    print_result(json, fmt::format("{} was saved", shown(built.engine)));
  }
  return kDone;
}

int use_trtexec(const Arguments& arguments, const EngineModel& model, const Choice& choice,
                Json json) {
  const EngineCommand command = trtexec_command(model, arguments.options);
  std::vector<std::string> words = {choice.trtexec ? choice.trtexec->word
                                                   : arguments.trtexec.value_or("trtexec")};
  words.insert(words.end(), command.arguments.begin(), command.arguments.end());
  const std::string line = shell_line(words, arguments.shell);
  json["arguments"] = command.arguments;
  json["command"] = line;
  json["shell"] = to_string(arguments.shell);
  json["engine"] = command.engine.string();
  json["built"] = nullptr;
  const std::vector<std::string> notes = with(arguments.notes, command.notes);
  if (arguments.run) {
    return build(arguments, model, *choice.trtexec, line, std::move(json), notes);
  }
  return print(arguments, std::move(json), notes, line);
}

}  // namespace

void describe_engine(const UseCommandLine& use) {
  Arguments arguments;
  Parser parser(arguments);
  use(parser.line);
}

int run_engine(const Invocation& invocation) {
  Arguments arguments;
  if (const auto answer = parse(invocation.arguments, arguments)) return print_answer(*answer);
  EngineModel model = read_engine_model(arguments.model);
  apply_shape(arguments, model);
  const Choice choice = choose_trtexec(arguments);
  Json json = result_json(arguments, model, choice);
  switch (arguments.target) {
    case Target::onnxruntime:
      return print_provider_options(arguments, model, std::move(json));
    case Target::vsmlrt:
      return print_player_call(arguments, model, std::move(json));
    case Target::trtexec:
      break;
  }
  return use_trtexec(arguments, model, choice, std::move(json));
}

}  // namespace aether2onnx::cli
