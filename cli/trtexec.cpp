#include "trtexec.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "port/files.h"
#include "port/port.h"
#include "shell.h"

namespace aether2onnx::cli {

namespace {

namespace fs = std::filesystem;

constexpr const char* kName = "trtexec";

// The folders where TensorRT's packages and containers for Linux install trtexec. Windows has no
// such folders, because NVIDIA publishes only zip files for Windows.
constexpr std::array<const char*, 3> kUsualFolders = {"/usr/src/tensorrt/bin", "/opt/tensorrt/bin",
                                                      "/usr/local/tensorrt/bin"};
// Users unpack NVIDIA's archives in this folder, for example as TensorRT-10.3.0.26.
constexpr const char* kUnpackedIn = port::kIsWindows ? "C:\\" : "/usr/local";

// Runs trtexec (`program`). Returns the version that trtexec prints, or nullopt. trtexec prints the
// version first, whatever the arguments are. The function passes the argument --help, because
// trtexec uses no GPU to print the help.
std::optional<TensorRtVersion> version_of(const fs::path& program) {
  constexpr std::chrono::seconds patience(10);
  constexpr std::size_t most = 4096;
  const auto has_version = [](const std::string& text) {
    task_context().check_cancelled();
    return tensorrt_version_in(text).has_value();
  };
  return tensorrt_version_in(
      port::output_of({program.string(), "--help"}, patience, most, has_version));
}

// Returns whether `version` is a version of TensorRT for RTX. The releases of TensorRT for RTX are
// 1.x, and the oldest supported TensorRT is 8.4. The program of TensorRT for RTX has other options
// than trtexec, so this program must not be used as trtexec.
bool is_of_rtx(const TensorRtVersion& version) { return version.major < 4; }

// Returns the numbers in a folder's name: 10, 3, 0, 26 for TensorRT-10.3.0.26. usual_folders()
// sorts the folders by these numbers.
std::vector<std::uint64_t> numbers_in(const std::string& name) {
  std::vector<std::uint64_t> numbers;
  const char* end = name.data() + name.size();
  for (const char* at = name.data(); at != end; ++at) {
    std::uint64_t number = 0;
    const auto [behind, problem] = std::from_chars(at, end, number);
    if (problem != std::errc{}) continue;
    numbers.push_back(number);
    at = behind - 1;
  }
  return numbers;
}

std::vector<fs::path> usual_folders() {
  std::vector<fs::path> folders;
  for (const char* variable : {"TENSORRT_HOME", "TENSORRT_ROOT"}) {
    const fs::path home = port::environment(variable);
    if (home.is_absolute()) folders.push_back(home / "bin");
  }
  if (!port::kIsWindows) {
    folders.insert(folders.end(), kUsualFolders.begin(), kUsualFolders.end());
  }
  // By version, the newest first.
  std::multimap<std::vector<std::uint64_t>, fs::path, std::greater<>> unpacked;
  for (const fs::path& path : io::list_folder(kUnpackedIn).paths) {
    const std::string name = path.filename().string();
    if (name.starts_with("TensorRT")) unpacked.emplace(numbers_in(name), path / "bin");
  }
  for (const auto& [version, folder] : unpacked) folders.push_back(folder);
  return folders;
}

}  // namespace

Trtexec trtexec_at(const fs::path& path) {
  if (!port::is_executable(path)) {
    throw ProgramError(
        "engine", {"engine-no-trtexec", path.string(), "a program", "",
                   fmt::format("--trtexec {}: there is no such program, or it is not executable.",
                               shown(path))});
  }
  // If a program's name contains no slash, the system searches the folders of PATH for the program.
  // "./" is added, so that the system takes the program from the current folder.
  const fs::path program = path.has_parent_path() ? path : "." / path;
  const auto version = version_of(program);
  if (!version) {
    throw ProgramError(
        "engine",
        {"engine-no-version", path.string(), "[TensorRT v100300]", "",
         fmt::format(
             "--trtexec {}: with --help, the program prints no version like [TensorRT v100300].\n"
             "Give NVIDIA's trtexec, and check that the program runs.",
             shown(path))});
  }
  if (is_of_rtx(*version)) {
    throw ProgramError(
        "engine",
        {"engine-not-trtexec", path.string(), "trtexec", "tensorrt_rtx",
         fmt::format("--trtexec {}: this is the program of TensorRT for RTX {}, not of TensorRT.\n"
                     "For a command line of tensorrt_rtx, give --for tensorrt-rtx:{} instead.",
                     shown(path), to_string(*version), to_string(*version))});
  }
  return {program, program.string(), *version};
}

std::optional<Trtexec> find_trtexec() {
  const auto look_in = [](const std::vector<fs::path>& folders,
                          bool in_path) -> std::optional<Trtexec> {
    for (const fs::path& folder : folders) {
      const fs::path program = folder / (std::string(kName) + port::kProgramSuffix);
      if (!port::is_executable(program)) continue;
      const auto version = version_of(program);
      if (version && !is_of_rtx(*version)) {
        return Trtexec{program, in_path ? kName : program.string(), *version};
      }
    }
    return std::nullopt;
  };
  if (auto found = look_in(port::folders_of_path(), true)) return found;
  return look_in(usual_folders(), false);
}

std::string usual_trtexec_folders() {
  if (port::kIsWindows) return R"(C:\TensorRT*\bin, %TENSORRT_HOME%\bin and %TENSORRT_ROOT%\bin)";
  return fmt::format("{}, /usr/local/TensorRT*/bin, $TENSORRT_HOME/bin and $TENSORRT_ROOT/bin",
                     fmt::join(kUsualFolders, ", "));
}

EngineBuilder trtexec_builder(const Trtexec& trtexec, const EngineModel& model,
                              const EngineOptions& options) {
  const auto words = [program = trtexec.program.string(), model, options](const fs::path& engine) {
    EngineOptions aside = options;
    aside.engine = engine;
    std::vector<std::string> all = {program};
    const EngineCommand command = trtexec_command(model, aside);
    all.insert(all.end(), command.arguments.begin(), command.arguments.end());
    return all;
  };
  return {kName, trtexec.version, "GPU", words};
}

}  // namespace aether2onnx::cli
