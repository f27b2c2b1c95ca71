#include "reference.h"

#include <c10/core/GradMode.h>
#include <torch/csrc/api/include/torch/version.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <string_view>

#include "base/error.h"
#include "reference_generation.h"

namespace aether2onnx::verify {

namespace {

struct Row {
  std::string_view generation;  // as the recogniser calls it
  Forward forward;
};

constexpr std::array kGenerations = {
    Row{"G1", forward_generation1},   Row{"G3", forward_generation3},
    Row{"G4", forward_generation4},   Row{"G5.0", forward_generation5},
    Row{"G5.1", forward_generation5}, Row{"G5.2", forward_generation5},
    Row{"G5x", forward_generation5x}, Row{"G6.0", forward_generation6},
    Row{"G6.1", forward_generation6}, Row{"G7a", forward_generation7},
    Row{"G7b", forward_generation7},  Row{"G7c", forward_generation7},
    Row{"G7d", forward_generation7}};

Forward forward_of(const std::string& generation) {
  for (const Row& row : kGenerations) {
    if (row.generation == generation) return row.forward;
  }
  fail({ErrorKind::unsupported, "verify-no-reference", generation},
       "There is no reference for AetherNet {}.", generation);
}

DoubleTensor to_doubles(const at::Tensor& tensor) {
  const at::Tensor values = tensor.to(at::kCPU, at::kDouble).contiguous();
  const auto* data = values.data_ptr<double>();
  return {values.sizes().vec(), std::vector<double>(data, data + values.numel())};
}

// Infinite if a value is not finite.
double largest_magnitude(const at::Tensor& value) {
  const auto [low, high] = at::aminmax(value);
  const double largest = std::max(std::abs(low.item<double>()), std::abs(high.item<double>()));
  return std::isfinite(largest) ? largest : std::numeric_limits<double>::infinity();
}

class Recorder final : public Trace {
 public:
  Recorder(BlockOutputs* blocks, Ranges* ranges, const std::atomic<bool>* cancelled)
      : blocks_(blocks), ranges_(ranges) {
    context_.cancelled = cancelled;
  }
  void value(const at::Tensor& value) override {
    context_.check_cancelled();
    if (ranges_ != nullptr) largest_ = std::max(largest_, largest_magnitude(value));
  }
  void block(const std::string& path, const at::Tensor& output) override {
    value(output);
    if (ranges_ != nullptr) ranges_->add(path, largest_);
    // The output of this part is the input of the next.
    largest_ = 0;
    value(output);
    if (blocks_ != nullptr) blocks_->emplace_back(path, to_doubles(output));
  }

 private:
  BlockOutputs* blocks_;
  Ranges* ranges_;
  Context context_;
  double largest_ = 0;
};

}  // namespace

const at::Tensor& Weights::operator[](const std::string& name) const {
  const auto found = tensors.find(name);
  if (found == tensors.end()) {
    fail({ErrorKind::mismatch, "verify-missing-tensor", name},
         "The reference needs the tensor {}, but the checkpoint does not have it.", name);
  }
  return found->second;
}

at::Tensor Weights::seen(at::Tensor value) const {
  if (trace != nullptr) trace->value(value);
  return value;
}

at::Tensor conv(const Weights& w, const std::string& path, const at::Tensor& x) {
  const at::Tensor& weight = w[path + ".weight"];
  return w.seen(at::conv2d(x, weight, w[path + ".bias"], 1, weight.size(2) / 2));
}

at::Tensor layer_norm(const Weights& w, const std::string& path, const at::Tensor& x, double eps) {
  const at::Tensor& weight = w[path + ".weight"];
  return w.seen(at::layer_norm(x, weight.sizes(), weight, w[path + ".bias"], eps));
}

at::Tensor linear(const Weights& w, const std::string& path, const at::Tensor& x) {
  return w.seen(at::linear(x, w[path + ".weight"], w[path + ".bias"]));
}

at::Tensor depthwise(const Weights& w, const std::string& path, const at::Tensor& x,
                     const std::string& large_bias, const std::string& small_bias) {
  const std::int64_t groups = x.size(1);
  const auto branch = [&](const std::string& weight, const std::string& bias) {
    const at::Tensor& kernel = w[path + "." + weight + ".weight"];
    return at::conv2d(x, kernel, w[path + "." + bias], 1, kernel.size(2) / 2, 1, groups);
  };
  if (w.has(path + ".fused_conv.weight")) return branch("fused_conv", "fused_conv.bias");
  return branch("lk_conv", large_bias) + branch("sk_conv", small_bias);
}

struct Reference::State {
  Weights weights;
  Forward forward = nullptr;
  at::TensorOptions options;
  std::string description;
  const std::atomic<bool>* cancelled = nullptr;

  DoubleTensor run(const at::Tensor& image, BlockOutputs* blocks, Ranges* ranges);
};

DoubleTensor Reference::State::run(const at::Tensor& image, BlockOutputs* blocks, Ranges* ranges) {
  const at::NoGradGuard no_grad;
  Recorder recorder(blocks, ranges, cancelled);
  weights.trace = &recorder;
  try {
    return to_doubles(forward(weights, image.to(options), recorder));
  } catch (const c10::Error& error) {
    fail({ErrorKind::unsupported, "verify-pytorch"}, "PyTorch failed: {}",
         error.what_without_backtrace());
  }
}

Reference::Reference(const state_dict::StateDict& state_dict, const network::Network& network,
                     const Settings& settings)
    : state_(std::make_unique<State>()) {
  state_->forward = forward_of(network.facts.generation);
  state_->weights.facts = network.facts;
  state_->cancelled = settings.cancelled;
  const bool cuda = settings.cuda_device >= 0;
  const at::Device device =
      cuda ? at::Device(at::kCUDA, static_cast<at::DeviceIndex>(settings.cuda_device))
           : at::Device(at::kCPU);
  state_->options =
      at::TensorOptions().dtype(settings.float64 ? at::kDouble : at::kFloat).device(device);
  state_->description =
      fmt::format("PyTorch {}.{}.{}, {}, {}", TORCH_VERSION_MAJOR, TORCH_VERSION_MINOR,
                  TORCH_VERSION_PATCH, settings.float64 ? "float64" : "float32",
                  cuda ? fmt::format("cuda:{}", settings.cuda_device) : "CPU");
  for (const state_dict::Entry& entry : state_dict.entries()) {
    if (!entry.tensor) continue;
    if (!entry.tensor->is_quantized() && !is_weight_dtype(entry.tensor->dtype)) continue;
    const TensorData data = state_dict.read(entry);
    const std::vector<double> values = aether2onnx::to_doubles(data.bytes, data.dtype);
    at::Tensor tensor = at::empty(data.shape, at::kDouble);
    std::memcpy(tensor.data_ptr<double>(), values.data(), values.size() * sizeof(double));
    state_->weights.tensors.emplace(entry.name, tensor.to(state_->options));
  }
}

Reference::~Reference() = default;

// from_blob() borrows the values, and the reference only reads them.
DoubleTensor Reference::run(const FloatTensor& input, BlockOutputs* blocks, Ranges* ranges) const {
  return state_->run(at::from_blob(const_cast<float*>(input.values.data()), input.shape,
                                   at::TensorOptions(at::kFloat)),
                     blocks, ranges);
}

DoubleTensor Reference::run(const DoubleTensor& input) const {
  return state_->run(at::from_blob(const_cast<double*>(input.values.data()), input.shape,
                                   at::TensorOptions(at::kDouble)),
                     nullptr, nullptr);
}

std::string Reference::description() const { return state_->description; }

bool Reference::has_cuda() { return at::hasCUDA(); }

}  // namespace aether2onnx::verify
