#include "rtx_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "base/text.h"
#include "judge/engine/engine.h"
#include "port/port.h"
#include "rtx_builder_text.h"
#include "shell.h"

namespace aether2onnx::cli {

namespace {

namespace fs = std::filesystem;

// The name of NVIDIA's Python package TensorRT for RTX on PyPI. Installing the package also
// installs the Python bindings and the libraries for the newest CUDA.
constexpr const char* kPackage = "tensorrt-rtx";
constexpr const char* kProduct = "TensorRT for RTX";

// Returns the events that the script rtx_builder.py printed: JSON objects, one on each line. Skips
// other lines, which are messages of libraries.
std::vector<Json> events_of(const std::string& output) {
  std::vector<Json> events;
  std::istringstream stream(output);
  for (std::string line; std::getline(stream, line);) {
    Json event = Json::parse(line, nullptr, false);
    if (event.is_object() && event.contains("event")) events.push_back(std::move(event));
  }
  return events;
}

std::string text_in(const Json& event, const char* name) {
  const auto found = event.find(name);
  return found != event.end() && found->is_string() ? printable(found->get<std::string>()) : "";
}

std::string ask(const fs::path& program) {
  constexpr std::chrono::seconds patience(60);  // long, because large libraries load slowly
  constexpr std::size_t most = 1U << 16U;
  return port::output_of({program.string(), "-c", kRtxBuilderText, "ask"}, patience, most,
                         [](const std::string& /*text*/) {
                           task_context().check_cancelled();
                           return false;
                         });
}

std::vector<int> capabilities_in(const Json& event) {
  std::vector<int> capabilities;
  const auto found = event.find("capabilities");
  if (found == event.end() || !found->is_array()) return capabilities;
  for (const Json& number : *found) {
    if (number.is_number_integer()) capabilities.push_back(number.get<int>());
  }
  return capabilities;
}

// Runs `program`, a Python interpreter. Returns the version of Python and the version of the
// installed package TensorRT for RTX. Throws ProgramError if `program` is not Python 3.8 or newer.
// Also throws ProgramError if the package is missing, cannot be loaded or is older than 1.5.
RtxPython look_into(const fs::path& program) {
  RtxPython result;
  result.program = program;
  const std::string install =
      fmt::format("{} -m pip install {}", shell_line({program.string()}), kPackage);
  std::string which;
  for (const Json& event : events_of(ask(program))) {
    const std::string kind = text_in(event, "event");
    const std::string module = text_in(event, "module");
    if (kind == "python") {
      result.python = text_in(event, "version");
      which = fmt::format("Python {}, {}", result.python, text_in(event, "machine"));
    } else if (kind == "absent") {
      throw ProgramError("engine", {"engine-no-package", program.string(), kPackage, "",
                                    fmt::format("{}: this Python ({}) has no TensorRT for RTX.\n"
                                                "Install the package: {}",
                                                shown(program), which, install)});
    } else if (kind == "broken") {
      const std::string error = text_in(event, "error");
      throw ProgramError(
          "engine",
          {"engine-broken-package", program.string(), "", error,
           fmt::format("{}: the module {} of this Python ({}) can't be loaded: {}.\nInstall the "
                       "package for this system and this Python: {}",
                       shown(program), module, which, error, install)});
    } else if (kind == "package") {
      result.module = module;
      const std::string version = text_in(event, "version");
      try {
        result.version = parse_tensorrt_rtx_version(version);
      } catch (const Error&) {
        throw ProgramError("engine",
                           {"engine-version", program.string(), "1.5 or newer", version,
                            fmt::format("{}: the module {} is TensorRT for RTX {}, but 1.5 or "
                                        "newer is needed.\nInstall a newer version: {} --upgrade",
                                        shown(program), module, version, install)});
      }
      result.capabilities = capabilities_in(event);
      return result;
    }
  }
  if (!which.empty()) {
    throw ProgramError("engine", {"engine-broken-package", program.string(), "", "",
                                  fmt::format("{}: this Python ({}) ended while it loaded TensorRT "
                                              "for RTX.\nInstall the package again: {}",
                                              shown(program), which, install)});
  }
  throw ProgramError("engine", {"engine-no-python", program.string(), "Python 3.8 or newer", "",
                                fmt::format("{}: this program is no Python 3.8 or newer, or does "
                                            "not run.\nGive a Python with --python.",
                                            shown(program))});
}

// Returns the possible names of Python's program. On Windows, python.exe comes first, because the
// system's python3.exe only opens the Microsoft Store.
std::vector<std::string> names_of_python() {
  if (port::kIsWindows) return {"python.exe", "python3.exe"};
  return {"python3", "python"};
}

std::vector<fs::path> pythons() {
  std::vector<fs::path> found;
  const auto look_in = [&](const fs::path& folder) {
    for (const std::string& name : names_of_python()) {
      const fs::path program = folder / name;
      if (port::is_executable(program)) return found.push_back(program);
    }
  };
  for (const fs::path& folder : port::folders_of_path()) {
    look_in(folder);
    if (!found.empty()) break;  // found the Python that a shell would run
  }
  if (const fs::path folder = port::program_folder(); !folder.empty()) look_in(folder);
  return found;
}

// Returns the path of the program `given`, which is the value of --python. If the value contains no
// folder, searches the folders of PATH. Throws ProgramError if no executable program is found.
fs::path python_named(const std::string& given) {
  fs::path path = given;
  if (path.has_parent_path()) {
    if (port::is_executable(path)) return path;
  } else {
    for (const fs::path& folder : port::folders_of_path()) {
      for (const std::string& name : {given, given + port::kProgramSuffix}) {
        if (port::is_executable(folder / name)) return folder / name;
      }
    }
  }
  throw ProgramError(
      "engine", {"engine-no-python", given, "a Python", "",
                 fmt::format("--python {}: there is no such program{}, or it is not executable.",
                             shown(path), path.has_parent_path() ? "" : " in PATH")});
}

}  // namespace

RtxPython find_rtx_python(const std::optional<std::string>& given) {
  if (given) return look_into(python_named(*given));
  std::optional<ProgramError> first;
  for (const fs::path& program : pythons()) {
    try {
      return look_into(program);
    } catch (const ProgramError& problem) {
      if (!first) first.emplace(problem);
    }
  }
  if (first) throw ProgramError(*first);
  throw ProgramError("engine",
                     {"engine-no-python", "build", "a Python with " + std::string(kPackage), "",
                      fmt::format("--build: there is no python3 in PATH.\nInstall Python 3.8 or "
                                  "newer, then the package {}; or give a Python with --python.",
                                  kPackage)});
}

EngineBuilder rtx_builder(const RtxPython& python, const EngineModel& model,
                          const EngineOptions& options) {
  const auto shape_of = [&](std::int64_t Axis::*which) {
    Json shape = Json::array();
    if (!model.shape.is_dynamic()) return shape;
    return Json{model.shape.batch.*which, model.channels, model.shape.height.*which,
                model.shape.width.*which};
  };
  const std::vector<int> wanted = judge::engine::tensorrt_rtx_capabilities(options);
  for (const int capability : wanted) {
    const auto& known = python.capabilities;
    if (std::find(known.begin(), known.end(), capability) != known.end()) continue;
    std::vector<std::string> names;
    for (const int each : known) names.push_back(fmt::format("{}.{}", each / 10, each % 10));
    const std::string asked = fmt::format("{}.{}", capability / 10, capability % 10);
    fail({ErrorKind::unsupported, "engine-compute-capability", "compute_capabilities",
          join(names, ", "), asked},
         "--compute_capabilities {}: TensorRT for RTX {} in {} builds engines only for "
         "{}.\nGive only these capabilities, or install a newer release of TensorRT for RTX.",
         asked, to_string(python.version), shown(python.program), join(names, ", "));
  }
  Json request = {{"capabilities", wanted},      {"min", shape_of(&Axis::min)},
                  {"opt", shape_of(&Axis::opt)}, {"max", shape_of(&Axis::max)},
                  {"workspace", nullptr},        {"level", nullptr}};
  if (options.workspace) request["workspace"] = *options.workspace;
  if (options.builder_optimization_level) request["level"] = *options.builder_optimization_level;
  const auto words = [program = python.program.string(), path = model.path.string(),
                      text = request.dump()](const fs::path& engine) {
    return std::vector<std::string>{program,         "-c", kRtxBuilderText, "build", path,
                                    engine.string(), text};
  };
  return {kProduct, python.version, "computer", words};
}

}  // namespace aether2onnx::cli
