#include "modules.h"

#include "base/error.h"
#include "base/text.h"
#include "port/files.h"
#include "port/port.h"

namespace aether2onnx::verify {

namespace fs = std::filesystem;

namespace {

constexpr const char* kTorchModule = "libaether2onnx_torch.so";
constexpr const char* kPictureModule = "libaether2onnx_pictures.so";

fs::path find_module(const char* name) {
  const fs::path folder = port::program_folder();
  for (const fs::path& place : {folder, folder / "../lib", folder / AETHER2ONNX_MODULE_FOLDER}) {
    if (io::exists(place / name)) return place / name;
  }
  return {};
}

// Returns the function `symbol` of the module `name`. If there is no such function, returns null
// and writes the reason to `why_not`. If the module is not installed, the reason names `package`,
// the module's Debian package.
void* find_function(const char* name, const char* symbol, const char* package,
                    std::string& why_not) {
  const fs::path path = find_module(name);
  if (path.empty()) {
    why_not = fmt::format("The module {} is not installed (Debian package {}).", name, package);
    return nullptr;
  }
  const port::Library library = port::load_library(path);
  if (library.handle == nullptr) {
    why_not =
        fmt::format("The module {} cannot be loaded: {}.", name, printable(library.problem, 400));
    return nullptr;
  }
  void* const function = port::find_symbol(library, symbol);
  if (function == nullptr) {
    why_not = fmt::format("The module {} belongs to another version of aether2onnx.",
                          printable(path.string(), 4096));
  }
  return function;
}

// Sets an environment variable to the type of the processor. OpenBLAS, the matrix library of
// PyTorch, reads this variable when OpenBLAS is loaded. Without the variable, the OpenBLAS of
// Debian 12 treats newer processors like the oldest processors, and computes matrix products at
// only a fifth of the speed that the variable makes possible.
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

}  // namespace

bool has_torch_module() { return !find_module(kTorchModule).empty(); }

const TorchModule* load_torch(std::string& why_not) {
  name_processor_for_openblas();
  const auto get = reinterpret_cast<GetTorchModule>(
      find_function(kTorchModule, kTorchModuleSymbol, "aether2onnx-pytorch", why_not));
  return get == nullptr ? nullptr : get();
}

const PictureModule& load_pictures() {
  std::string why_not;
  const auto get = reinterpret_cast<GetPictureModule>(
      find_function(kPictureModule, kPictureModuleSymbol, "aether2onnx-pictures", why_not));
  if (get == nullptr) {
    fail({ErrorKind::unsupported, "verify-no-picture-module", kPictureModule},
         "Pictures from files cannot be read. {}", why_not);
  }
  return *get();
}

}  // namespace aether2onnx::verify
