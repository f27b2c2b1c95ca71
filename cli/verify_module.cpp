#include "verify_module.h"

#include <fmt/format.h>

#include <filesystem>

#include "port/files.h"
#include "port/port.h"
#include "shell.h"

namespace aether2onnx::cli {

namespace fs = std::filesystem;

namespace {

constexpr const char* kModuleName =
    port::kIsWindows ? "aether2onnx_verify.dll" : "libaether2onnx_verify.so";

fs::path find_module() {
  const fs::path folder = port::program_folder();
  for (const fs::path& place : {folder, folder / "../lib", folder / AETHER2ONNX_MODULE_FOLDER}) {
    if (io::exists(place / kModuleName)) return place / kModuleName;
  }
  return {};
}

// PyTorch of Debian 12 uses an OpenBLAS that takes newer processors for the oldest of their kind,
// and so runs them at a fifth of their speed. OpenBLAS reads this variable when it is loaded.
void name_processor_for_openblas() {
#if defined(__x86_64__) && defined(__GNUC__)
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx512 || avx2) {
    port::set_environment_default("OPENBLAS_CORETYPE", avx512 ? "SKYLAKEX" : "HASWELL");
  }
#endif
}

template <typename Function>
void load_symbol(const port::Library& library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(port::find_symbol(library, name));
}

}  // namespace

void VerifyModule::unavailable(const std::string& why) const {
  throw ProgramError(
      "verification",
      {"verification-unavailable", asked_by_, "", "",
       fmt::format("{}: {}\nNothing was done; the conversion alone needs none of this.", asked_by_,
                   why)});
}

VerifyModule::VerifyModule(std::string asked_by) : asked_by_(std::move(asked_by)) {
  const fs::path found = find_module();
  if (found.empty()) {
    unavailable(
        fmt::format("the verification module ({}) isn't beside the program.\nIt is built where "
                    "libtorch (libtorch-dev) and ONNX Runtime's headers are installed; see the "
                    "README.",
                    kModuleName));
  }
  name_processor_for_openblas();
  const port::Library library = port::load_library(found);
  if (library.handle == nullptr) {
    unavailable(
        fmt::format("the verification module can't be loaded: {}.\nIt needs PyTorch's "
                    "library, on Debian the package libtorch1.13.",
                    library.problem));
  }
  load_symbol(library, kA2oVerifySymbol, verify_);
  load_symbol(library, kA2oVerifyFreeSymbol, free_);
  load_symbol(library, kA2oVerifyReadySymbol, ready_);
  if (verify_ == nullptr || free_ == nullptr || ready_ == nullptr) {
    unavailable(
        fmt::format("{} is of another version of aether2onnx.\nInstall both anew.", shown(found)));
  }
}

std::string VerifyModule::prepare(const std::string& settings) const {
  char* answer = nullptr;
  const int verdict = ready_(settings.c_str(), &answer);
  const std::string text = take(answer);
  if (verdict != kA2oPassed) unavailable(text);
  return text;
}

VerifyModule::Answer VerifyModule::verify(const std::string& request,
                                          const Progress& progress) const {
  const auto report = [](std::size_t index, std::size_t count, double share, const char* what,
                         void* user) {
    (*static_cast<const Progress*>(user))(index, count, share, what);
  };
  char* answer = nullptr;
  const int verdict = verify_(request.c_str(), report, const_cast<Progress*>(&progress),
                              &port::cancelled_by_signal(), &answer);
  return {verdict, take(answer)};
}

std::string VerifyModule::take(char* text) const {
  std::string copy = text == nullptr ? "" : text;
  if (text != nullptr) free_(text);
  return copy;
}

}  // namespace aether2onnx::cli
