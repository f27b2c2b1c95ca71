#include "setup.h"

#include <algorithm>
#include <charconv>
#include <chrono>

#include "base/error.h"
#include "base/text.h"
#include "formulas.h"
#include "modules.h"
#include "plain_operations.h"
#include "port/port.h"

namespace aether2onnx::verify {

namespace {

int device_index(const std::string& device) {
  int index = 0;
  const std::size_t colon = device.find(':');
  if (colon != std::string::npos) {
    std::from_chars(device.data() + colon + 1, device.data() + device.size(), index);
  }
  return index;
}

// Chooses PyTorch or the built-in operations to compute the reference (the expected output).
void choose_judge(const Settings& settings, Setup& setup) {
  if (settings.reference != Settings::Judge::builtin) {
    std::string why_not;
    setup.torch = load_torch(why_not);
    if (setup.torch == nullptr && settings.reference == Settings::Judge::pytorch) {
      fail({ErrorKind::unsupported, "verify-no-pytorch", "reference"},
           "{} pytorch: {}\nLeave the option out: the built-in reference needs no library.",
           option("reference"), why_not);
    }
    if (!why_not.empty() && setup.torch == nullptr && has_torch_module()) {
      setup.notes.push_back(why_not + " The built-in reference is used instead.");
    }
  }
  // The default type of PyTorch is float32, in which networks are trained and run. The built-in
  // reference defines the correct result, so its default is float64.
  setup.float64 = settings.float64.value_or(setup.torch == nullptr);
}

}  // namespace

bool has_gpu_libraries() { return OnnxRuntime::has_gpu_provider(); }

std::string problem_of_cuda(const TorchModule& torch) { return printable(torch.load_cuda(), 400); }

Setup set_up(const Settings& settings) {
  Setup setup;
  setup.runtime = &OnnxRuntime::load(settings.onnxruntime_library);
  choose_judge(settings, setup);
  const std::string& device = settings.device;
  const std::string& provider = settings.provider;
  const bool automatic = device == "auto" && provider == "auto";
  if (device == "cpu" || provider == "cpu") return setup;

  const Device gpu{provider == "tensorrt" ? Provider::tensorrt : Provider::cuda,
                   device_index(device), settings.tf32};
  // ONNX Runtime's TensorRT provider has no option for TF32, so an environment variable turns TF32
  // off. NVIDIA's libraries read the variable when they are loaded. No value of the variable turns
  // TF32 on, so the program sets the variable only if `settings.tf32` is false.
  if (!settings.tf32) port::set_environment_default("NVIDIA_TF32_OVERRIDE", "0");
  try {
    setup.runtime->check(gpu);
  } catch (const Error& error) {
    if (!automatic) {
      fail({ErrorKind::unsupported, "verify-device", device}, "{} {}: {}", option("device"), device,
           error.diagnostic.text);
    }
    return setup;  // uses the CPU, because the user did not ask for a GPU
  }
  setup.device = gpu;
  const std::string why_not =
      setup.torch == nullptr ? "the built-in reference uses no GPU" : problem_of_cuda(*setup.torch);
  if (why_not.empty()) {
    setup.reference_device = gpu.index;
  } else {
    setup.notes.push_back(fmt::format("The reference is computed on the CPU: {}.", why_not));
  }
  return setup;
}

std::unique_ptr<Operations> operations_of(const Setup& setup) {
  if (setup.torch != nullptr) {
    return std::unique_ptr<Operations>(
        setup.torch->make(setup.float64, setup.reference_device, setup.device.tf32));
  }
  return plain_operations(setup.float64 ? Arithmetic::float64 : Arithmetic::float32);
}

double speed_of(const Operations& operations) {
  constexpr std::int64_t channels = 48;
  constexpr std::int64_t side = 32;
  const std::vector<double> numbers(channels * channels * side * side, 0.5);
  const Value image = operations.make({1, channels, side, side}, numbers.data());
  const Value weight = operations.make({channels, channels, 3, 3}, numbers.data());
  conv2d(image, weight, Value());  // not measured, because the first call takes longer
  const auto start = std::chrono::steady_clock::now();
  conv2d(image, weight, Value());
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  return static_cast<double>(channels * channels * 9 * side * side) /
         std::max(1e-6, seconds.count());
}

}  // namespace aether2onnx::verify
