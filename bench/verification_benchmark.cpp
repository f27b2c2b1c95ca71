// What a verification costs beside the runs that it can't do without.
//
//   verification_benchmark CHECKPOINT MODEL.onnx ROUNDS
//
// Times, by turns and in one process, the verification module from its first run to its verdict,
// and the same runs alone: one of PyTorch and one of ONNX Runtime for each input. Loading
// libraries, weights and sessions is on neither side. Prints the medians as one JSON object.

#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "../verify/candidate.h"
#include "../verify/inputs.h"
#include "../verify/onnxruntime.h"
#include "../verify/reference.h"
#include "../verify/verify_module.h"
#include "formats/onnx/onnx.h"
#include "network/network.h"
#include "state_dict/state_dict.h"

namespace {

using namespace aether2onnx;
using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

constexpr std::uint64_t kSeed = 2025;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.at(values.size() / 2);
}

// The verification module, as the program loads it.
class Module {
 public:
  Module() : handle_(::dlopen(AETHER2ONNX_VERIFY_MODULE, RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ == nullptr) throw std::runtime_error(::dlerror());
    verify_ = reinterpret_cast<A2oVerify>(::dlsym(handle_, kA2oVerifySymbol));
    free_ = reinterpret_cast<A2oVerifyFree>(::dlsym(handle_, kA2oVerifyFreeSymbol));
    if (verify_ == nullptr || free_ == nullptr) {
      throw std::runtime_error("the verification module is of another version");
    }
  }

  // Seconds from its first run on. The module tells of a run when all is set up for it.
  double time(const std::string& checkpoint, const std::string& model) const {
    const Json request = {{"onnxruntime_library", ""},
                          {"device", "cpu"},
                          {"provider", "cpu"},
                          {"checkpoint", checkpoint},
                          {"params_key", nullptr},
                          {"limits", Json::object()},
                          {"generation", nullptr},
                          {"res_scale", nullptr},
                          {"norm_eps", nullptr},
                          {"img_range", nullptr},
                          {"dequantize", false},
                          {"model", model},
                          {"model_name", "model"},
                          {"shapes", Json::array()},
                          {"images", ""},
                          {"atol", nullptr},
                          {"rtol", nullptr},
                          {"reference_precision", "fp32"},
                          {"seed", kSeed},
                          {"report", ""},
                          {"fp32_blocks", nullptr},
                          {"command", ""}};
    std::optional<Clock::time_point> first_run;
    const A2oVerifyProgress progress = [](std::size_t, std::size_t, double, const char*,
                                          void* user) {
      auto& start = *static_cast<std::optional<Clock::time_point>*>(user);
      if (!start) start = Clock::now();
    };
    char* answer = nullptr;
    const int verdict = verify_(request.dump().c_str(), progress, &first_run, nullptr, &answer);
    const double seconds = first_run ? seconds_since(*first_run) : 0;
    const std::string text = answer == nullptr ? "" : answer;
    if (answer != nullptr) free_(answer);
    if (verdict != kA2oPassed) throw std::runtime_error("verification failed: " + text);
    return seconds;
  }

 private:
  void* handle_ = nullptr;
  A2oVerify verify_ = nullptr;
  A2oVerifyFree free_ = nullptr;
};

// The runs alone.
class Runs {
 public:
  Runs(const std::string& checkpoint, const std::string& model)
      : input_(open_file(checkpoint)),
        state_dict_(state_dict::StateDict::open(*input_, {}, {})),
        network_(network::recognise(state_dict_)),
        model_(onnx::read(*open_file(model), {})),
        reference_(state_dict_, network_, {}),
        candidate_(verify::OnnxRuntime::load({}), model, model_, {}) {
    for (const verify::Sizes& sizes : verify::shapes_of(model_, network_.facts.input_channels)) {
      const std::vector<std::int64_t> shape(sizes.begin(), sizes.end());
      inputs_.push_back(verify::make_noise(shape, kSeed));
      inputs_.push_back(verify::make_picture(shape));
    }
  }

  std::size_t count() const { return inputs_.size(); }

  double time_pytorch() const {
    const Clock::time_point start = Clock::now();
    for (const verify::FloatTensor& input : inputs_) reference_.run(input);
    return seconds_since(start);
  }

  double time_onnxruntime() const {
    const Clock::time_point start = Clock::now();
    for (const verify::FloatTensor& input : inputs_) candidate_.run(input);
    return seconds_since(start);
  }

 private:
  std::unique_ptr<Input> input_;
  state_dict::StateDict state_dict_;
  network::Network network_;
  onnx::Model model_;
  verify::Reference reference_;
  verify::Candidate candidate_;
  std::vector<verify::FloatTensor> inputs_;
};

Json measure(const std::string& checkpoint, const std::string& model, int rounds) {
  const Module module;
  const Runs runs(checkpoint, model);
  std::vector<double> verification;
  std::vector<double> pytorch;
  std::vector<double> onnxruntime;
  std::vector<double> ratios;
  for (int round = 0; round <= rounds; ++round) {
    const double all = module.time(checkpoint, model);
    const double reference = runs.time_pytorch();
    const double candidate = runs.time_onnxruntime();
    if (round == 0) continue;  // both libraries allocate and choose kernels in their first runs
    verification.push_back(all);
    pytorch.push_back(reference);
    onnxruntime.push_back(candidate);
    ratios.push_back(all / (reference + candidate));
  }
  return {{"inputs", runs.count()},
          {"verification", median(verification)},
          {"pytorch", median(pytorch)},
          {"onnxruntime", median(onnxruntime)},
          {"ratio", median(ratios)},
          {"onnxruntime_version", verify::OnnxRuntime::load({}).version()}};
}

}  // namespace

int main(int count, char** values) {
  const std::vector<std::string> arguments(values + std::min(count, 1), values + count);
  if (arguments.size() != 3) {
    std::cerr << "Usage: verification_benchmark CHECKPOINT MODEL.onnx ROUNDS\n";
    return 2;
  }
  try {
    std::cout << measure(arguments[0], arguments[1], std::stoi(arguments[2])).dump() << '\n';
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
