// What ONNX files of the same network cost in ONNX Runtime, on the CPU.
//
//   compare_inference SECONDS SHAPE[,SHAPE...] MODEL.onnx...
//
// A SHAPE is NxHxW; each has rounds for so many seconds, two at least. Times the creation of a
// session and a run at each shape, of all files by turns and in one process, with the runtime's own
// settings. Prints the medians as one JSON object, and for each file the median of the rounds'
// ratios to the first one.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#define ORT_API_MANUAL_INIT
#include <onnxruntime_cxx_api.h>

#include "../verify/inputs.h"
#include "../verify/onnxruntime.h"

namespace {

using namespace aether2onnx;
using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;
using Shape = std::vector<std::int64_t>;

constexpr std::uint64_t kSeed = 2025;
// A sample takes at least this long: short runs are repeated, so that the clock and the wake-up of
// threads don't count.
constexpr double kSampleSeconds = 0.05;

constexpr int kFewestRounds = 2;
constexpr double kSessionSeconds = 10;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double seconds_of(const std::function<void()>& work) {
  const Clock::time_point start = Clock::now();
  work();
  return seconds_since(start);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.at(values.size() / 2);
}

// Samples of all files, by turns; the order is turned round each time, since what runs first finds
// other things in the processor's cache than what runs last.
Json compare(const std::vector<std::function<double()>>& samples, double seconds) {
  const Clock::time_point start = Clock::now();
  std::vector<std::vector<double>> taken(samples.size());
  std::vector<std::vector<double>> ratios(samples.size());
  int rounds = 0;
  for (; rounds < kFewestRounds || seconds_since(start) < seconds; ++rounds) {
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const std::size_t at = rounds % 2 == 0 ? i : samples.size() - 1 - i;
      taken[at].push_back(samples[at]());
    }
    for (std::size_t i = 0; i < samples.size(); ++i) {
      ratios[i].push_back(taken[i].back() / taken.front().back());
    }
  }
  Json result = {{"rounds", rounds}, {"seconds", Json::array()}, {"ratio", Json::array()}};
  for (std::size_t i = 0; i < samples.size(); ++i) {
    result["seconds"].push_back(median(taken[i]));
    result["ratio"].push_back(median(ratios[i]));
  }
  return result;
}

class Runs {
 public:
  Runs(Ort::Env& env, const std::string& path, const Shape& shape)
      : session_(env, path.c_str(), Ort::SessionOptions()),
        input_(verify::make_noise(shape, kSeed)) {
    double once = seconds_of([this] { run(); });  // allocates
    if (once < 1) once = seconds_of([this] { run(); });
    repetitions_ = std::max(1, static_cast<int>(kSampleSeconds / once));
  }

  // Seconds of one run.
  double sample() {
    return seconds_of([this] {
             for (int i = 0; i < repetitions_; ++i) run();
           }) /
           repetitions_;
  }

 private:
  void run() {
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    const Ort::Value feed =
        Ort::Value::CreateTensor<float>(memory, input_.values.data(), input_.values.size(),
                                        input_.shape.data(), input_.shape.size());
    Ort::AllocatorWithDefaultOptions allocator;
    const auto input = session_.GetInputNameAllocated(0, allocator);
    const auto output = session_.GetOutputNameAllocated(0, allocator);
    const char* in = input.get();
    const char* out = output.get();
    session_.Run(Ort::RunOptions{nullptr}, &in, &feed, 1, &out, 1);
  }

  Ort::Session session_;
  verify::FloatTensor input_;
  int repetitions_ = 1;
};

Shape shape_of(const std::string& text) {
  Shape shape;
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t used = 0;
    shape.push_back(std::stoll(text.substr(at), &used));
    at += used + 1;
  }
  if (shape.size() != 3) throw std::invalid_argument("a shape is NxHxW, not " + text);
  shape.insert(shape.begin() + 1, 3);
  return shape;
}

Json measure(double seconds, const std::string& shapes, const std::vector<std::string>& models) {
  const verify::OnnxRuntime& runtime = verify::OnnxRuntime::load({});
  Ort::Env env(ORT_LOGGING_LEVEL_ERROR, "compare_inference");
  Json result = {{"onnxruntime_version", runtime.version()}, {"models", models}};

  std::vector<std::function<double()>> sessions;
  for (const std::string& model : models) {
    sessions.emplace_back([&env, model] {
      return seconds_of([&] { Ort::Session(env, model.c_str(), Ort::SessionOptions()); });
    });
    sessions.back()();  // reads the file into the page cache
  }
  result["session"] = compare(sessions, std::min(seconds, kSessionSeconds));

  for (std::size_t at = 0; at < shapes.size();) {
    const std::size_t end = std::min(shapes.find(',', at), shapes.size());
    const std::string shape = shapes.substr(at, end - at);
    at = end + 1;
    std::vector<std::function<double()>> runs;
    for (const std::string& model : models) {
      runs.emplace_back(
          [one = std::make_shared<Runs>(env, model, shape_of(shape))] { return one->sample(); });
    }
    result["inference"][shape] = compare(runs, seconds);
  }
  return result;
}

}  // namespace

int main(int count, char** values) {
  const std::vector<std::string> arguments(values + std::min(count, 1), values + count);
  if (arguments.size() < 3) {
    std::cerr << "Usage: compare_inference SECONDS SHAPE[,SHAPE...] MODEL.onnx...\n";
    return 2;
  }
  try {
    std::cout << measure(std::stod(arguments[0]), arguments[1],
                         {arguments.begin() + 2, arguments.end()})
                     .dump(1)
              << '\n';
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
