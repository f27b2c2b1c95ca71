#include "trtexec.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <vector>

#include "base/text.h"
#include "console.h"
#include "process.h"

namespace aether2onnx::cli {

namespace {

namespace fs = std::filesystem;

constexpr const char* kName = "trtexec";

constexpr std::array<const char*, 3> kUsualFolders = {"/usr/src/tensorrt/bin", "/opt/tensorrt/bin",
                                                      "/usr/local/tensorrt/bin"};

// The first line of what trtexec prints has the version, whatever it is asked for, and the help
// touches no GPU.
std::optional<TensorRtVersion> version_of(const fs::path& program) {
  constexpr std::chrono::seconds patience(10);
  constexpr std::size_t most = 4096;
  const auto has_version = [](const std::string& text) {
    return tensorrt_version_in(text).has_value();
  };
  return tensorrt_version_in(output_of({program.string(), "--help"}, patience, most, has_version));
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nothing sets it
  return value == nullptr ? "" : value;
}

// What isn't absolute depends on where the program is called, and isn't run unasked.
std::vector<fs::path> folders_of_path() {
  std::vector<fs::path> folders;
  const std::string text = environment("PATH");
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(':', begin), text.size());
    const fs::path folder = text.substr(begin, end - begin);
    if (folder.is_absolute()) folders.push_back(folder);
    begin = end + 1;
  }
  return folders;
}

std::vector<fs::path> usual_folders() {
  std::vector<fs::path> folders;
  for (const char* variable : {"TENSORRT_HOME", "TENSORRT_ROOT"}) {
    const fs::path home = environment(variable);
    if (home.is_absolute()) folders.push_back(home / "bin");
  }
  folders.insert(folders.end(), kUsualFolders.begin(), kUsualFolders.end());
  // NVIDIA's tar files: /usr/local/TensorRT-10.3.0.26; the last name first.
  std::vector<fs::path> unpacked;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator("/usr/local", ignored)) {
    if (entry.path().filename().string().starts_with("TensorRT")) {
      unpacked.push_back(entry.path() / "bin");
    }
  }
  std::sort(unpacked.rbegin(), unpacked.rend());
  folders.insert(folders.end(), unpacked.begin(), unpacked.end());
  return folders;
}

}  // namespace

Trtexec trtexec_at(const fs::path& path) {
  if (!is_executable(path)) {
    throw ProgramError(
        "engine",
        {.code = "engine-no-trtexec",
         .subject = "trtexec",
         .text = fmt::format("--trtexec {}: there is no such program, or it may not be run.",
                             shown(path))});
  }
  // Without a slash it would be looked for in PATH.
  const fs::path program = path.has_parent_path() ? path : "." / path;
  const auto version = version_of(program);
  if (!version) {
    throw ProgramError(
        "engine",
        {.code = "engine-no-version",
         .subject = "trtexec",
         .text = fmt::format("--trtexec {}: with --help it doesn't say its version, as "
                             "[TensorRT v100300].\nGive NVIDIA's trtexec, and see that it runs.",
                             shown(path))});
  }
  return {program, program.string(), *version};
}

std::optional<Trtexec> find_trtexec() {
  const auto look_in = [](const std::vector<fs::path>& folders,
                          bool in_path) -> std::optional<Trtexec> {
    for (const fs::path& folder : folders) {
      const fs::path program = folder / kName;
      if (!is_executable(program)) continue;
      if (const auto version = version_of(program)) {
        return Trtexec{program, in_path ? kName : program.string(), *version};
      }
    }
    return std::nullopt;
  };
  if (auto found = look_in(folders_of_path(), true)) return found;
  return look_in(usual_folders(), false);
}

std::string usual_trtexec_folders() {
  return fmt::format("{}, {}, {}, /usr/local/TensorRT*/bin and $TENSORRT_HOME/bin",
                     kUsualFolders[0], kUsualFolders[1], kUsualFolders[2]);
}

}  // namespace aether2onnx::cli
