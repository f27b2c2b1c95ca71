#include "torch_module.h"

#include <ATen/ATen.h>
#include <ATen/DynamicLibrary.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/api/include/torch/version.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>

#define A2O_TEXT_OF(x) #x
#define A2O_TEXT(x) A2O_TEXT_OF(x)

namespace aether2onnx::verify {

namespace {

constexpr const char* kVersion = A2O_TEXT(TORCH_VERSION_MAJOR) "." A2O_TEXT(
    TORCH_VERSION_MINOR) "." A2O_TEXT(TORCH_VERSION_PATCH);

const at::Tensor& of(const Value& value) {
  static const at::Tensor none;
  return value ? value.content<at::Tensor>() : none;
}

// Returns the result of `work`. Converts libtorch's exceptions to std::runtime_error, because the
// program does not know the types of libtorch.
template <typename Work>
auto guarded(const Work& work) {
  try {
    const at::NoGradGuard no_grad;
    return work();
  } catch (const c10::Error& error) {
    throw std::runtime_error(error.what_without_backtrace());
  }
}

// Loads libtorch_cuda.so. Returns "" if there is a CUDA device, otherwise the reason. libtorch
// looks for CUDA only at the first query, so libtorch_cuda.so must be loaded before this query. The
// CPU libraries of libtorch never load libtorch_cuda.so. This function uses at::DynamicLibrary,
// whose code is in libtorch_cpu.so, so that the folder of libtorch_cpu.so is searched, too.
std::string load_cuda() {
  try {
    constexpr bool stays_loaded = true;
    const at::DynamicLibrary library("libtorch_cuda.so", nullptr, stays_loaded);
    return guarded([] { return at::hasCUDA(); }) ? "" : "libtorch_cuda.so finds no CUDA device";
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  } catch (const std::exception& error) {
    return error.what();
  }
}

class TorchOperations final : public Operations {
 public:
  TorchOperations(bool float64, int cuda_device, bool tf32)
      : options_(at::TensorOptions()
                     .dtype(float64 ? at::kDouble : at::kFloat)
                     .device(cuda_device >= 0
                                 ? at::Device(at::kCUDA, static_cast<at::DeviceIndex>(cuda_device))
                                 : at::Device(at::kCPU))),
        description_(
            std::string("PyTorch ") + kVersion + (float64 ? ", float64, " : ", float32, ") +
            (cuda_device >= 0
                 ? "cuda:" + std::to_string(cuda_device) + (tf32 ? " with TF32" : " without TF32")
                 : "CPU")) {
    at::globalContext().setAllowTF32CuDNN(tf32);
    at::globalContext().setAllowTF32CuBLAS(tf32);
  }

  std::string description() const override { return description_; }

  Value make(const std::vector<std::int64_t>& shape, const double* values) const override {
    return result([&] {
      at::Tensor tensor = at::empty(shape, at::kDouble);
      std::memcpy(tensor.data_ptr<double>(), values,
                  static_cast<std::size_t>(tensor.numel()) * sizeof(double));
      return tensor.to(options_);
    });
  }

  std::vector<double> read(const Value& value) const override {
    return guarded([&] {
      const at::Tensor values = of(value).to(at::kCPU, at::kDouble).contiguous();
      const auto* data = values.data_ptr<double>();
      return std::vector<double>(data, data + values.numel());
    });
  }

  double largest_magnitude(const Value& value) const override {
    return guarded([&] {
      const auto [low, high] = at::aminmax(of(value));
      const double largest = std::max(std::abs(low.item<double>()), std::abs(high.item<double>()));
      return std::isfinite(largest) ? largest : std::numeric_limits<double>::infinity();
    });
  }

  Value convolution(const Value& x, const Value& weight, const Value& bias,
                    std::int64_t groups) const override {
    return result(
        [&] { return at::conv2d(of(x), of(weight), of(bias), 1, weight.size(2) / 2, 1, groups); });
  }

  Value layer_norm(const Value& x, const Value& weight, const Value& bias,
                   double epsilon) const override {
    return result([&] {
      const at::Tensor rows = of(x).permute({0, 2, 3, 1});
      return at::layer_norm(rows, of(weight).sizes(), of(weight), of(bias), epsilon)
          .permute({0, 3, 1, 2});
    });
  }

  Value linear(const Value& x, const Value& weight, const Value& bias) const override {
    return result([&] {
      const at::Tensor rows = of(x).permute({0, 2, 3, 1});
      return at::linear(rows, of(weight), of(bias)).permute({0, 3, 1, 2});
    });
  }

  Value apply(Unary operation, const Value& x) const override {
    return result([&] {
      switch (operation) {
        case Unary::gelu:
          return at::gelu(of(x), "none");
        case Unary::silu:
          return at::silu(of(x));
        case Unary::relu:
          return at::relu(of(x));
        case Unary::sigmoid:
          return at::sigmoid(of(x));
        case Unary::square_root:
          return at::sqrt(of(x));
      }
      throw std::logic_error("this operation has no implementation");
    });
  }

  Value leaky_relu(const Value& x, double slope) const override {
    return result([&] { return at::leaky_relu(of(x), slope); });
  }

  Value combine(Binary operation, const Value& a, const Value& b) const override {
    return result([&] {
      switch (operation) {
        case Binary::add:
          return of(a) + of(b);
        case Binary::subtract:
          return of(a) - of(b);
        case Binary::multiply:
          return of(a) * of(b);
        case Binary::divide:
          return of(a) / of(b);
      }
      throw std::logic_error("this operation has no implementation");
    });
  }

  Value concatenate(const std::vector<Value>& parts) const override {
    return result([&] {
      std::vector<at::Tensor> tensors;
      tensors.reserve(parts.size());
      for (const Value& part : parts) tensors.push_back(of(part));
      return at::cat(tensors, 1);
    });
  }

  Value pixel_shuffle(const Value& x, std::int64_t factor) const override {
    return result([&] { return at::pixel_shuffle(of(x), factor); });
  }

  Value mean_over_pixels(const Value& x) const override {
    return result([&] { return of(x).mean(at::IntArrayRef{2, 3}, true); });
  }

  Value mean_over_channels(const Value& x) const override {
    return result([&] { return of(x).mean(at::IntArrayRef{1}, true); });
  }

  Value largest_over_channels(const Value& x) const override {
    return result([&] { return std::get<0>(of(x).max(1, true)); });
  }

  Value reshape(const Value& x, const std::vector<std::int64_t>& shape) const override {
    return result([&] { return of(x).reshape(shape); });
  }

 private:
  template <typename Work>
  Value result(const Work& work) const {
    auto tensor = std::make_shared<const at::Tensor>(guarded(work));
    std::vector<std::int64_t> shape = tensor->sizes().vec();
    return {*this, std::move(shape), std::move(tensor)};
  }

  at::TensorOptions options_;
  std::string description_;
};

}  // namespace

}  // namespace aether2onnx::verify

extern "C" __attribute__((visibility("default"))) const aether2onnx::verify::TorchModule*
aether2onnx_torch_2() {
  using namespace aether2onnx::verify;
  static const TorchModule module = {kVersion,
                                     []() -> const char* {
                                       static const std::string problem = load_cuda();
                                       return problem.c_str();
                                     },
                                     [](bool float64, int cuda_device, bool tf32) -> Operations* {
                                       return new TorchOperations(float64, cuda_device, tf32);
                                     }};
  return &module;
}
