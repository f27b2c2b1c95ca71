#include "reference.h"

#include <ATen/ATen.h>
#include <torch/csrc/api/include/torch/version.h>

#include <cstring>
#include <unordered_map>

#include "base/error.h"

namespace aether2onnx::verify {

struct Reference::Weights {
  std::unordered_map<std::string, at::Tensor> tensors;

  const at::Tensor& operator[](const std::string& name) const {
    const auto found = tensors.find(name);
    if (found == tensors.end()) {
      fail(ErrorKind::verification, "the reference needs the tensor {}, which isn't there.", name);
    }
    return found->second;
  }
  bool has(const std::string& name) const { return tensors.contains(name); }
};

Reference::Reference(const state_dict::StateDict& state_dict)
    : weights_(std::make_unique<Weights>()) {
  for (const state_dict::Entry& entry : state_dict.entries()) {
    if (!entry.tensor || !is_weight_dtype(entry.tensor->dtype)) continue;
    const TensorData data = state_dict.read(entry);
    const std::vector<double> values = to_doubles(data.bytes, data.dtype);
    at::Tensor tensor = at::empty(data.shape, at::kDouble);
    std::memcpy(tensor.data_ptr<double>(), values.data(), values.size() * sizeof(double));
    weights_->tensors.emplace(entry.name, tensor.to(at::kFloat));
  }
}

Reference::~Reference() = default;

namespace {

template <typename Weights>
at::Tensor conv(const Weights& w, const std::string& path, const at::Tensor& x) {
  const at::Tensor& weight = w[path + ".weight"];
  return at::conv2d(x, weight, w[path + ".bias"], 1, weight.size(2) / 2);
}

template <typename Weights>
at::Tensor layer_norm(const Weights& w, const std::string& path, const at::Tensor& x, double eps) {
  const at::Tensor& weight = w[path + ".weight"];
  return at::layer_norm(x, weight.sizes(), weight, w[path + ".bias"], eps);
}

template <typename Weights>
at::Tensor linear(const Weights& w, const std::string& path, const at::Tensor& x) {
  return at::linear(x, w[path + ".weight"], w[path + ".bias"]);
}

// The depthwise part of a block: one convolution where it is fused, the sum of two where it isn't.
template <typename Weights>
at::Tensor depthwise(const Weights& w, const std::string& path, const at::Tensor& x) {
  const std::int64_t groups = x.size(1);
  const auto branch = [&](const std::string& weight, const std::string& bias) {
    return at::conv2d(x, w[weight], w[bias], 1, w[weight].size(2) / 2, 1, groups);
  };
  if (w.has(path + ".fused_conv.weight")) {
    return branch(path + ".fused_conv.weight", path + ".fused_conv.bias");
  }
  return branch(path + ".lk_conv.weight", path + ".lk_bias") +
         branch(path + ".sk_conv.weight", path + ".sk_bias");
}

// The first generation, in the numbering of the specification's forward pass.
template <typename Weights>
at::Tensor forward_generation1(const Weights& w, const at::Tensor& image) {
  const double mean = image.size(1) == 3 ? 0.5 : 0.0;              // 1
  const at::Tensor shallow = conv(w, "conv_first", image - mean);  // 2
  at::Tensor y = shallow;
  for (int group = 0;; ++group) {  // 3
    const std::string group_path = "layers." + std::to_string(group) + ".";
    if (!w.has(group_path + "0.norm.weight")) break;
    for (int block = 0;; ++block) {
      const std::string path = group_path + std::to_string(block);
      if (!w.has(path + ".norm.weight")) break;
      at::Tensor n = depthwise(w, path + ".conv", y).permute({0, 2, 3, 1});
      n = layer_norm(w, path + ".norm", n, 1e-6);
      const at::Tensor gate = at::gelu(linear(w, path + ".ffn.fc1_gate", n), "none");
      const at::Tensor main = linear(w, path + ".ffn.fc1_main", n);
      y = y + linear(w, path + ".ffn.fc2", gate * main).permute({0, 3, 1, 2});
    }
  }
  const at::Tensor n = layer_norm(w, "norm", y.permute({0, 2, 3, 1}), 1e-5).permute({0, 3, 1, 2});
  const at::Tensor r = conv(w, "conv_after_body", n) + shallow;  // 5
  at::Tensor t = at::leaky_relu(conv(w, "conv_before_upsample.0", r), 0.01);
  const std::int64_t width = t.size(1);
  for (int index = 0;; index += 2) {  // 7
    const std::string path = "upsample." + std::to_string(index);
    if (!w.has(path + ".weight")) break;
    t = conv(w, path, t);
    t = at::pixel_shuffle(t, t.size(1) == 9 * width ? 3 : 2);
  }
  return conv(w, "conv_last", t) + mean;  // 8, 9
}

}  // namespace

FloatTensor Reference::run(const FloatTensor& input) const {
  const at::NoGradGuard no_grad;
  // The tensor only borrows the values, and is only read.
  const at::Tensor image = at::from_blob(const_cast<float*>(input.values.data()), input.shape,
                                         at::TensorOptions(at::kFloat));
  const at::Tensor output = forward_generation1(*weights_, image).contiguous();
  const auto* values = output.data_ptr<float>();
  return {output.sizes().vec(), std::vector<float>(values, values + output.numel())};
}

std::string Reference::description() {
  return fmt::format("PyTorch {}.{}.{} (libtorch)", TORCH_VERSION_MAJOR, TORCH_VERSION_MINOR,
                     TORCH_VERSION_PATCH);
}

}  // namespace aether2onnx::verify
