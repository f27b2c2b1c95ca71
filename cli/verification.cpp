#include "verification.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "../verify/verify_module.h"
#include "base/text.h"
#include "command_line.h"

namespace aether2onnx::cli {

namespace fs = std::filesystem;

namespace {

constexpr const char* kModuleName = "libaether2onnx_verify.so";
constexpr std::uint64_t kDefaultSeed = 2025;

[[noreturn]] void unavailable(const std::string& asked_by, const std::string& why) {
  throw ProgramError(
      "verification",
      {.code = "verification-unavailable",
       .text = fmt::format("{}: {}\nNothing was done; the conversion alone needs none of this.",
                           asked_by, why)});
}

fs::path program_folder() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::path() : program.parent_path();
}

bool is_numbered_cuda(const std::string& device) {
  constexpr std::string_view start = "cuda:";
  return device.starts_with(start) && device.size() <= start.size() + 4 &&
         is_number(std::string_view(device).substr(start.size()));
}

}  // namespace

// --- options ----------------------------------------------------------------------------------

void VerificationArguments::add_to(CommandLine& line) {
  const auto add = [&line](const char* name, auto& value, const std::string& text,
                           const char* type) {
    line.add_option(name, value, text).group(kGroup).type_name(type);
  };
  add("--atol", atol, "Absolute tolerance. Default: 1e-3 (fp16: 1e-2)", "X");
  add("--rtol", rtol, "Relative tolerance. Default: 1e-5 (fp16: 1e-2)", "X");
  add("--device", device,
      "cpu, cuda or cuda:N, to verify on; conversion needs none.\n"
      "Default: cuda where it can be used, else cpu",
      "NAME");
  add("--provider", provider,
      "ONNX Runtime's execution provider: cpu, cuda or\n"
      "tensorrt. Default: that of the device",
      "NAME");
  add("--reference_precision", reference_precision,
      "fp32 or fp64: what PyTorch computes in. Default: fp32", "MODE");
  add("--seed", seed, fmt::format("Of the random input. Default: {}", kDefaultSeed), "N");
  add("--verify_images", images, "Compare on the PNG and JPEG files in this folder, too", "DIR");
  add("--report", report, "Write an HTML page with verdict, pictures and figures", "FILE");
  add("--onnxruntime_library", onnxruntime_library,
      "libonnxruntime.so to verify with. Default: the environment\n"
      "variable AETHER2ONNX_ONNXRUNTIME, beside the program, the\n"
      "system's",
      "FILE");
}

void VerificationArguments::check() const {
  const auto check_tolerance = [](const char* name, const std::optional<double>& value) {
    if (value && !(*value >= 0 && std::isfinite(*value))) {
      usage_error(fmt::format("--{} {}: must be 0 or more.", name, *value));
    }
  };
  check_tolerance("atol", atol);
  check_tolerance("rtol", rtol);
  if (device && *device != "cpu" && *device != "cuda" && !is_numbered_cuda(*device)) {
    usage_error(fmt::format("--device {}: must be cpu, cuda or cuda:N.", printable(*device)));
  }
  if (provider && *provider != "cpu" && *provider != "cuda" && *provider != "tensorrt") {
    usage_error(fmt::format("--provider {}: must be cpu, cuda or tensorrt.", printable(*provider)));
  }
  if (device == "cpu" && provider && *provider != "cpu") {
    usage_error(fmt::format("--provider {} needs a GPU, but --device cpu was given.", *provider));
  }
  if (device && *device != "cpu" && provider == "cpu") {
    usage_error(fmt::format("--provider cpu contradicts --device {}.", *device));
  }
  if (reference_precision && *reference_precision != "fp32" && *reference_precision != "fp64") {
    usage_error(fmt::format("--reference_precision {}: must be fp32 or fp64.",
                            printable(*reference_precision)));
  }
  if (images && !fs::is_directory(*images)) {
    usage_error(fmt::format("--verify_images {}: there is no such folder.", shown(*images)));
  }
  if (report && (report->empty() || fs::is_directory(*report))) {
    usage_error(fmt::format("--report {}: must be a file name.", shown(*report)));
  }
}

std::vector<std::string> VerificationArguments::given_for_verification() const {
  std::vector<std::string> names;
  const auto add = [&names](const char* name, bool given) {
    if (given) names.emplace_back(name);
  };
  add("--atol", atol.has_value());
  add("--rtol", rtol.has_value());
  add("--device", device.has_value());
  add("--provider", provider.has_value());
  add("--reference_precision", reference_precision.has_value());
  add("--seed", seed.has_value());
  add("--verify_images", images.has_value());
  add("--report", report.has_value());
  add("--onnxruntime_library", onnxruntime_library.has_value());
  return names;
}

// --- the module -------------------------------------------------------------------------------

struct Verification::Module {
  A2oVerify verify = nullptr;
  A2oVerifyFree free = nullptr;
  A2oVerifyReady ready = nullptr;
  Json details;

  std::string take(char* text) const {
    std::string copy = text == nullptr ? "" : text;
    if (text != nullptr) free(text);
    return copy;
  }
};

namespace {

Json settings(const VerificationArguments& arguments) {
  return {{"onnxruntime_library", arguments.onnxruntime_library.value_or("")},
          {"device", arguments.device.value_or("auto")},
          {"provider", arguments.provider.value_or("auto")}};
}

// The OpenBLAS of Debian 12, which its PyTorch uses, runs processors that are newer than itself at
// a fifth of their speed: it takes them for the oldest of their kind. It reads this when it is
// loaded.
void name_processor_for_openblas() {
#if defined(__x86_64__) && defined(__GNUC__)
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx512 || avx2) ::setenv("OPENBLAS_CORETYPE", avx512 ? "SKYLAKEX" : "HASWELL", 0);
#endif
}

template <typename Function>
Function symbol(void* handle, const char* name) {
  return reinterpret_cast<Function>(::dlsym(handle, name));
}

}  // namespace

Verification::Verification(const VerificationArguments& arguments, const std::string& asked_by,
                           Console& console)
    : arguments_(arguments), module_(std::make_unique<Module>()) {
  const fs::path folder = program_folder();
  fs::path found;
  for (const fs::path& place : {folder, folder / "../lib", folder / AETHER2ONNX_MODULE_FOLDER}) {
    std::error_code ignored;
    if (found.empty() && fs::exists(place / kModuleName, ignored)) found = place / kModuleName;
  }
  if (found.empty()) {
    unavailable(asked_by,
                fmt::format("the verification module ({}) isn't beside the program.\nIt is built "
                            "where libtorch (libtorch-dev) and ONNX Runtime's headers are "
                            "installed; see the README.",
                            kModuleName));
  }
  name_processor_for_openblas();
  void* handle = ::dlopen(fs::absolute(found).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    unavailable(asked_by,
                fmt::format("the verification module can't be loaded: {}.\nIt needs PyTorch's "
                            "library, on Debian the package libtorch1.13.",
                            ::dlerror()));
  }
  module_->verify = symbol<A2oVerify>(handle, kA2oVerifySymbol);
  module_->free = symbol<A2oVerifyFree>(handle, kA2oVerifyFreeSymbol);
  module_->ready = symbol<A2oVerifyReady>(handle, kA2oVerifyReadySymbol);
  if (module_->verify == nullptr || module_->free == nullptr || module_->ready == nullptr) {
    unavailable(
        asked_by,
        fmt::format("{} is of another version of aether2onnx.\nInstall both anew.", shown(found)));
  }
  char* answer = nullptr;
  const int verdict = module_->ready(dump(settings(arguments)).c_str(), &answer);
  const std::string text = module_->take(answer);
  if (verdict != kA2oPassed) unavailable(asked_by, text);
  const Json ready = Json::parse(text);
  for (const Json& note : ready["notes"]) console.line("note", note.get<std::string>());
}

Verification::~Verification() = default;

const Json& Verification::json() const { return module_->details; }

int Verification::print_failure(const Error& error, bool as_json) const {
  Failure failure = failure_of(error);
  failure.verification = std::make_shared<const Json>(json());
  return cli::print_failure(failure, as_json);
}

// --- what is printed --------------------------------------------------------------------------

namespace {

std::string number(const Json& value) {
  return value.is_null() ? "not finite" : fmt::format("{:.2e}", value.get<double>());
}

std::string describe(const Json& result) {
  const bool passed = result["passed"].get<bool>();
  std::string line =
      fmt::format("{} {}, {}: largest difference {} at [{}], mean {}", passed ? "pass" : "FAIL",
                  fmt::join(result["shape"].get<std::vector<std::int64_t>>(), "x"),
                  result["input"].get<std::string>(), number(result["max_absolute"]),
                  fmt::join(result["worst"].get<std::vector<std::int64_t>>(), ", "),
                  number(result["mean_absolute"]));
  if (!result["psnr"].is_null()) line += fmt::format(", {:.1f} dB", result["psnr"].get<double>());
  if (!passed) {
    line += fmt::format(", {} elements outside the tolerance",
                        with_thousands(result["outside_tolerance"].get<std::uint64_t>()));
  }
  return line;
}

// Parts that come close to the end of float16's range, for a model in which they are float16.
void warn_of_ranges(const Json& details, Console& console) {
  std::vector<std::string> parts;
  for (const Json& range : details["ranges"]) {
    if (!range["fp16_tight"].get<bool>()) continue;
    parts.push_back(
        fmt::format("{} ({})", range["path"].get<std::string>(), number(range["max_absolute"])));
  }
  if (parts.empty()) return;
  console.line(
      "note",
      fmt::format(
          "the largest values of {} are close to or beyond the 65504 of float16: {}; --fp_mode "
          "mixed_fp16 keeps such parts in float32",
          plural(parts.size(), "part"), fmt::join(parts, ", ")));
}

void report_progress(std::size_t index, std::size_t count, double share, const char* what,
                     void* user) {
  static_cast<Console*>(user)->on_work("verifying",
                                       fmt::format("{} of {}, {}", index + 1, count, what), share);
}

}  // namespace

std::vector<std::string> Verification::run(const VerificationTask& task, Console& console) {
  Json& details = module_->details;
  details = Json();
  failed_ = false;
  const auto optional = [](const auto& value) { return value ? Json(*value) : Json(); };
  Json request = settings(arguments_);
  request["checkpoint"] = task.checkpoint.string();
  request["params_key"] = optional(task.reading.params_key);
  request["limits"] = Json::object();
  for (const auto& [name, limit] : named_limits(task.limits)) request["limits"][name] = limit;
  request["generation"] = optional(task.reading.generation);
  request["res_scale"] = optional(task.reading.res_scale);
  request["norm_eps"] = optional(task.reading.norm_eps);
  request["img_range"] = optional(task.reading.img_range);
  request["dequantize"] = task.reading.dequantize;
  request["model"] = task.model.string();
  request["model_name"] = task.model_name;
  request["shapes"] = task.shapes;
  request["images"] = arguments_.images.value_or("");
  request["atol"] = optional(arguments_.atol);
  request["rtol"] = optional(arguments_.rtol);
  request["reference_precision"] = arguments_.reference_precision.value_or("fp32");
  request["seed"] = arguments_.seed.value_or(kDefaultSeed);
  request["report"] = arguments_.report.value_or("");
  request["command"] = task.command;
  request["fp32_blocks"] = optional(task.fp32_blocks);

  char* answer = nullptr;
  const int verdict = module_->verify(dump(request).c_str(), report_progress, &console, &answer);
  const std::string text = module_->take(answer);
  if (verdict == kA2oError) {
    throw ProgramError("verification",
                       {.code = "verification-impossible",
                        .text = fmt::format("the comparison couldn't be made: {}", text)});
  }
  details = Json::parse(text);
  if (auto blocks = details["fp32_blocks"].get<std::vector<std::string>>(); !blocks.empty()) {
    return blocks;
  }
  console.line(
      "verifying",
      fmt::format("{} against {}, tolerance {:g} + {:g} of the value",
                  details["candidate"].get<std::string>(), details["reference"].get<std::string>(),
                  details["atol"].get<double>(), details["rtol"].get<double>()));
  if (details["weights"] == "float16" && !task.fp32_blocks) warn_of_ranges(details, console);
  std::vector<Diagnostic> failures;
  for (const Json& result : details["results"]) {
    const std::string line = describe(result);
    console.line("", line);
    if (!result["passed"].get<bool>()) failures.push_back({.text = line});
  }
  if (arguments_.report) console.line("report", shown(*arguments_.report));
  if (verdict == kA2oPassed) return {};
  failed_ = true;
  std::string message =
      fmt::format("{} isn't equal to PyTorch within the tolerance.", printable(task.model_name));
  for (const Diagnostic& failure : failures) message += "\n  " + failure.text;
  const std::string where = details["first_difference"]["text"].get<std::string>();
  if (!where.empty()) message += "\n" + where;
  throw ProgramError(
      "verification",
      {.code = "verification-different", .subject = printable(task.model_name), .text = message},
      failures);
}

}  // namespace aether2onnx::cli
