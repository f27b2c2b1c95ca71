// What a verification costs beside the runs that it can't do without.
//
//   verification_benchmark CHECKPOINT MODEL.onnx ROUNDS
//
// Times, by turns and in one process, the verification from its first run to its verdict,
// and the same runs alone: one of PyTorch and one of ONNX Runtime for each input. Loading
// libraries, weights and sessions is on neither side. Prints the medians as one JSON object.

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
#include "../verify/modules.h"
#include "../verify/onnxruntime.h"
#include "../verify/reference.h"
#include "../verify/verifier.h"
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

// Seconds of a verification from its first run on, when all is set up.
double time_verification(const std::string& checkpoint, const std::string& model) {
  verify::Request request;
  request.settings.device = request.settings.provider = "cpu";
  request.settings.reference = verify::Settings::Judge::pytorch;
  request.settings.seed = kSeed;
  request.checkpoint = checkpoint;
  request.model = model;
  std::optional<Clock::time_point> first_run;
  verify::Progress progress;
  progress.works = [&](std::size_t, std::size_t, double, const std::string&) {
    if (!first_run) first_run = Clock::now();
  };
  const Json details = verify::verify(request, progress, nullptr);
  const double seconds = first_run ? seconds_since(*first_run) : 0;
  if (!details["passed"].get<bool>()) throw std::runtime_error("verification failed");
  return seconds;
}

std::unique_ptr<verify::Operations> pytorch() {
  std::string why_not;
  const verify::TorchModule* module = verify::load_torch(why_not);
  if (module == nullptr) throw std::runtime_error(why_not);
  return std::unique_ptr<verify::Operations>(module->make(false, -1, false));
}

// The runs alone.
class Runs {
 public:
  Runs(const std::string& checkpoint, const std::string& model)
      : input_(open_file(checkpoint)),
        state_dict_(state_dict::StateDict::open(*input_, {}, {})),
        network_(network::recognise(state_dict_)),
        model_(onnx::read(*open_file(model), {})),
        reference_(state_dict_, network_, pytorch()),
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
  const Runs runs(checkpoint, model);
  std::vector<double> verification;
  std::vector<double> pytorch;
  std::vector<double> onnxruntime;
  std::vector<double> ratios;
  for (int round = 0; round <= rounds; ++round) {
    const double all = time_verification(checkpoint, model);
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
