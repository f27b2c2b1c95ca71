#include "verification.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "../verify/verify_module.h"

namespace aether2onnx::cli {

namespace fs = std::filesystem;

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kModuleName = "libaether2onnx_verify.so";
constexpr std::uint64_t kSeed = 2025;

// The looser tolerances that the reference script takes for fp16, where the user gave none.
constexpr double kHalfTolerance = 1e-2;

[[noreturn]] void unavailable(const std::string& why) {
  throw Error(ErrorKind::verification,
              fmt::format("--verify_onnx: {}\nNothing was converted. Without --verify_onnx the "
                          "conversion itself needs none of it.",
                          why));
}

fs::path program_folder() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::path() : program.parent_path();
}

using Sizes = std::array<std::int64_t, 4>;

// A static model at its shape; a dynamic one at min, opt and max, and at an odd size between that
// is no square.
std::vector<Sizes> shapes_to_check(const InputShape& shape, std::int64_t channels) {
  const auto at = [&](std::int64_t Axis::*which) {
    const auto size = [which](const Axis& axis) { return axis.dynamic ? axis.*which : axis.opt; };
    return Sizes{size(shape.batch), channels, size(shape.height), size(shape.width)};
  };
  std::vector<Sizes> shapes = {at(&Axis::opt)};
  if (!shape.is_dynamic()) return shapes;
  const auto odd_between = [](const Axis& axis, std::int64_t above_min) {
    if (!axis.dynamic) return axis.opt;
    const std::int64_t odd = (axis.min + above_min) | 1;
    return std::clamp(odd, axis.min, axis.max);
  };
  shapes = {at(&Axis::min),
            {odd_between(shape.batch, 1), channels, odd_between(shape.height, 6),
             odd_between(shape.width, 16)},
            at(&Axis::opt),
            at(&Axis::max)};
  std::vector<Sizes> distinct;
  for (const Sizes& sizes : shapes) {
    if (std::find(distinct.begin(), distinct.end(), sizes) == distinct.end()) {
      distinct.push_back(sizes);
    }
  }
  return distinct;
}

struct Progress {
  Console* console;
  std::size_t count;
};

void report_progress(std::size_t index, void* user) {
  const auto& progress = *static_cast<Progress*>(user);
  progress.console->on_progress("verifying", index, progress.count);
}

std::string number(const Json& value) {
  return value.is_null() ? "not finite" : fmt::format("{:.2e}", value.get<double>());
}

std::string describe(const Json& result) {
  const auto shape = result["shape"].get<std::vector<std::int64_t>>();
  const std::string psnr =
      result["psnr"].is_null() ? "" : fmt::format(", {:.1f} dB", result["psnr"].get<double>());
  std::string line =
      fmt::format("{} {}, {}: largest difference {} at [{}], mean {}{}",
                  result["passed"].get<bool>() ? "pass" : "FAIL", fmt::join(shape, "x"),
                  result["input"].get<std::string>(), number(result["max_absolute"]),
                  fmt::join(result["worst"].get<std::vector<std::int64_t>>(), ", "),
                  number(result["mean_absolute"]), psnr);
  if (!result["passed"].get<bool>()) {
    line += fmt::format(", {} elements outside the tolerance",
                        result["outside_tolerance"].get<std::uint64_t>());
  }
  return line;
}

}  // namespace

struct Verification::Module {
  A2oVerify verify = nullptr;
  A2oVerifyFree free = nullptr;
  A2oVerifyReady ready = nullptr;

  std::string take(char* text) const {
    std::string copy = text == nullptr ? "" : text;
    if (text != nullptr) free(text);
    return copy;
  }
};

Verification::Verification(const Arguments& arguments)
    : arguments_(arguments), module_(std::make_unique<Module>()) {
  const fs::path folder = program_folder();
  fs::path found;
  for (const fs::path& place : {folder, folder / "../lib", folder / AETHER2ONNX_MODULE_FOLDER}) {
    std::error_code ignored;
    if (found.empty() && fs::exists(place / kModuleName, ignored)) found = place / kModuleName;
  }
  if (found.empty()) {
    unavailable(fmt::format(
        "the verification module ({}) isn't beside the program.\nIt is built where libtorch "
        "(libtorch-dev) and ONNX Runtime's headers are installed; see the README.",
        kModuleName));
  }
  void* handle = ::dlopen(fs::absolute(found).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    unavailable(fmt::format(
        "the verification module can't be loaded: {}.\nIt needs PyTorch's library, on Debian the "
        "package libtorch1.13.",
        ::dlerror()));
  }
  module_->verify = reinterpret_cast<A2oVerify>(::dlsym(handle, kA2oVerifySymbol));
  module_->free = reinterpret_cast<A2oVerifyFree>(::dlsym(handle, kA2oVerifyFreeSymbol));
  module_->ready = reinterpret_cast<A2oVerifyReady>(::dlsym(handle, kA2oVerifyReadySymbol));
  if (module_->verify == nullptr || module_->free == nullptr || module_->ready == nullptr) {
    unavailable(fmt::format("{} is of another version of aether2onnx.\nInstall both anew.",
                            found.string()));
  }
  const std::string problem = module_->take(module_->ready(arguments.onnxruntime_library.c_str()));
  if (!problem.empty()) unavailable(problem);
}

Verification::~Verification() = default;

void Verification::run(const Report& report, const fs::path& candidate, Console& console) {
  const bool half = report.graph.precision == Precision::fp16;
  const double atol = half && !arguments_.atol_given ? kHalfTolerance : arguments_.atol;
  const double rtol = half && !arguments_.rtol_given ? kHalfTolerance : arguments_.rtol;
  const std::vector<Sizes> shapes =
      shapes_to_check(report.graph.shape, report.network.input_channels);
  Progress progress{&console, shapes.size()};

  A2oVerifyRequest request{};
  request.checkpoint = arguments_.input.c_str();
  request.onnx = candidate.c_str();
  request.onnxruntime_library = arguments_.onnxruntime_library.c_str();
  const auto& params_key = arguments_.options.params_key;
  request.params_key = params_key ? params_key->c_str() : nullptr;
  request.shapes = shapes.front().data();
  request.shape_count = shapes.size();
  request.atol = atol;
  request.rtol = rtol;
  request.seed = kSeed;
  request.progress = report_progress;
  request.user = &progress;

  char* answer = nullptr;
  const int verdict = module_->verify(&request, &answer);
  const std::string text = module_->take(answer);
  if (verdict == kA2oError) {
    throw Error(ErrorKind::verification, fmt::format("verification failed to run: {}\nNothing was "
                                                     "saved.",
                                                     text));
  }
  json_ = text;
  const Json json = Json::parse(text);
  console.line("verifying", fmt::format("{} against {}, tolerance {:g} + {:g} of the value",
                                        json["candidate"].get<std::string>(),
                                        json["reference"].get<std::string>(), atol, rtol));
  std::vector<std::string> failures;
  for (const Json& result : json["results"]) {
    const std::string line = describe(result);
    console.line("", line);
    if (!result["passed"].get<bool>()) failures.push_back(line);
  }
  if (verdict == kA2oPassed) return;
  std::string message =
      "the ONNX model isn't equal to PyTorch within the tolerance; nothing was saved.";
  for (const std::string& failure : failures) message += "\n  " + failure;
  throw Error(ErrorKind::verification, message, failures);
}

}  // namespace aether2onnx::cli
