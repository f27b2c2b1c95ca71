#include "sample_networks.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <stdexcept>
#include <string_view>

namespace aether2onnx::tools {

namespace {

constexpr std::int64_t kFeatures = 64;

std::int64_t count_elements(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return count;
}

std::vector<std::int64_t> shuffle_factors(std::int64_t scale) {
  if (scale == 3) return {3};
  std::vector<std::int64_t> factors;
  for (; scale > 1; scale /= 2) factors.push_back(2);
  return factors;
}

class Lister {
 public:
  void add(const std::string& name, std::vector<std::int64_t> shape) {
    const auto count = static_cast<std::size_t>(count_elements(shape));
    tensors_.push_back({name, std::move(shape), std::vector<double>(count)});
  }
  void add_layer(const std::string& path, std::vector<std::int64_t> weight_shape) {
    const std::int64_t out = weight_shape[0];
    add(path + ".weight", std::move(weight_shape));
    add(path + ".bias", {out});
  }
  std::vector<NamedTensor> take() { return std::move(tensors_); }

 private:
  std::vector<NamedTensor> tensors_;
};

// Returns whether the tensor is a weight: no counter, no version, and not the picture's mean.
bool is_weight(const NamedTensor& tensor) { return !tensor.integer && tensor.name != "mean"; }

// Return the factor by which make_epsilon_sensitive() multiplies a tensor: first for a network of
// the first generation, then for a later one.
double sensitive_factor(std::string_view name) {
  const bool block_conv =
      name.starts_with("layers.") && name.find(".conv.") != std::string_view::npos;
  if (name.starts_with("conv_first.") || block_conv ||
      name.find(".ffn.fc2.") != std::string_view::npos) {
    return 0.002;
  }
  return name.find(".ffn.fc1_gate.") != std::string_view::npos ? 3 : 1;
}
double sensitive_factor_of_stages(std::string_view name) {
  if (name.ends_with(".running_var")) return 0.001;
  const bool block_conv = name.starts_with("stages.") &&
                          name.find(".conv.") != std::string_view::npos &&
                          name.find("_attn.") == std::string_view::npos;
  const bool fusion = name.starts_with("fusion_convs.") || name.starts_with("quant_fusion_layer.");
  return block_conv || fusion ? 0.03 : 1;
}

NamedTensor& find(std::vector<NamedTensor>& tensors, std::string_view name) {
  const auto found = std::find_if(tensors.begin(), tensors.end(),
                                  [&](const NamedTensor& tensor) { return tensor.name == name; });
  if (found == tensors.end()) throw std::invalid_argument("no tensor " + std::string(name));
  return *found;
}

// Returns weight[out, in, y, x] of a 3 x 3 convolution.
double& at(NamedTensor& weight, std::int64_t out, std::int64_t in, std::int64_t y, std::int64_t x) {
  return weight.values[static_cast<std::size_t>(((out * weight.shape[1] + in) * 3 + y) * 3 + x)];
}

// Returns the weights of the pixels at -1, 0 and 1 that give the value at `offset` (in pixels).
std::vector<double> linear_kernel(double offset) {
  return {std::max(0.0, -offset), 1 - std::abs(offset), std::max(0.0, offset)};
}

}  // namespace

bool is_of_stages(const std::vector<NamedTensor>& tensors) {
  return std::any_of(tensors.begin(), tensors.end(),
                     [](const NamedTensor& tensor) { return tensor.name.starts_with("stages."); });
}

NetworkShape aether_small(std::int64_t scale, bool fused) {
  return {3, 96, std::vector<std::int64_t>(4, 4), 192, 11, 3, scale, fused};
}
NetworkShape aether_medium(std::int64_t scale, bool fused) {
  return {3, 128, std::vector<std::int64_t>(6, 6), 256, 11, 3, scale, fused};
}
NetworkShape aether_large(std::int64_t scale, bool fused) {
  return {3, 180, std::vector<std::int64_t>(8, 8), 450, 13, 3, scale, fused};
}

std::vector<NamedTensor> make_tensors(const NetworkShape& shape) {
  const std::int64_t e = shape.embed_dim;
  const std::int64_t h = shape.hidden_dim;
  Lister list;
  list.add_layer("conv_first", {e, shape.channels, 3, 3});
  for (std::size_t group = 0; group < shape.depths.size(); ++group) {
    for (std::int64_t block = 0; block < shape.depths[group]; ++block) {
      const std::string path = "layers." + std::to_string(group) + "." + std::to_string(block);
      if (shape.fused) {
        list.add_layer(path + ".conv.fused_conv", {e, 1, shape.large_kernel, shape.large_kernel});
      } else {
        list.add(path + ".conv.lk_bias", {e});
        list.add(path + ".conv.sk_bias", {e});
        list.add(path + ".conv.lk_conv.weight", {e, 1, shape.large_kernel, shape.large_kernel});
        list.add(path + ".conv.sk_conv.weight", {e, 1, shape.small_kernel, shape.small_kernel});
      }
      list.add_layer(path + ".norm", {e});
      list.add_layer(path + ".ffn.fc1_gate", {h, e});
      list.add_layer(path + ".ffn.fc1_main", {h, e});
      list.add_layer(path + ".ffn.fc2", {e, h});
    }
  }
  list.add_layer("norm", {e});
  list.add_layer("conv_after_body", {e, e, 3, 3});
  list.add_layer("conv_before_upsample.0", {kFeatures, e, 3, 3});
  const std::vector<std::int64_t> factors = shuffle_factors(shape.scale);
  for (std::size_t i = 0; i < factors.size(); ++i) {
    list.add_layer("upsample." + std::to_string(2 * i),
                   {kFeatures * factors[i] * factors[i], kFeatures, 3, 3});
  }
  list.add_layer("conv_last", {shape.channels, kFeatures, 3, 3});
  return list.take();
}

void fill_random(std::vector<NamedTensor>& tensors, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  const auto uniform = [&] {  // -1 to 1; std::uniform_real_distribution differs between libraries
    return static_cast<double>(generator() >> 11U) * 0x1p-52 - 1;
  };
  for (NamedTensor& tensor : tensors) {
    if (!is_weight(tensor)) continue;
    const std::int64_t taps =
        tensor.shape.size() > 1 ? count_elements(tensor.shape) / tensor.shape[0] : 12;
    double centre = 0;
    double reach = std::sqrt(3 / static_cast<double>(taps));
    if (tensor.name.find("norm.weight") != std::string::npos) {
      centre = 1;
      reach = 0.2;
    } else if (tensor.name.ends_with(".running_var")) {
      centre = 1;
      reach = 0.5;
    } else if (tensor.name.ends_with(".temperature")) {
      centre = 1;
      reach = 0.3;
    }
    for (double& value : tensor.values) value = centre + reach * uniform();
  }
}

void fill_sines(std::vector<NamedTensor>& tensors) {
  int t = 0;
  for (NamedTensor& tensor : tensors) {
    if (!is_weight(tensor)) continue;
    const std::string_view name = tensor.name;
    const bool norm = name.find("norm") != std::string_view::npos;
    const bool error = name.find("error") != std::string_view::npos;
    double centre = 0;
    double reach = 1;
    double divisor = 1;
    if (name.ends_with(".running_var")) {
      centre = 1;
      reach = 0.5;
    } else if (name.ends_with(".temperature")) {
      centre = 0.8;
      reach = 0.1;
    } else if (name.ends_with(".running_mean")) {
      reach = 0.2;
    } else if (norm && name.ends_with(".weight")) {
      centre = 1;
      reach = 0.2;
    } else if (tensor.shape.size() > 1 && !norm && !error) {
      const double fan_in =
          static_cast<double>(count_elements(tensor.shape)) / static_cast<double>(tensor.shape[0]);
      divisor = std::sqrt(fan_in);
    } else {
      divisor = 2;
    }
    for (std::size_t n = 0; n < tensor.values.size(); ++n) {
      const double b = std::sin(0.7 * static_cast<double>(n) + 1.3 * t);
      tensor.values[n] = centre + reach * b / divisor;
    }
    ++t;
  }
}

NamedTensor centred_sum(NamedTensor large, const NamedTensor& small) {
  const std::int64_t outer = large.shape[2];
  const std::int64_t inner = small.shape[2];
  for (std::size_t n = 0; n < small.values.size(); ++n) {
    const auto at = static_cast<std::int64_t>(n);
    const std::int64_t channel = at / (inner * inner);
    const std::int64_t y = at / inner % inner + (outer - inner) / 2;
    const std::int64_t x = at % inner + (outer - inner) / 2;
    large.values[static_cast<std::size_t>((channel * outer + y) * outer + x)] += small.values[n];
  }
  return large;
}

std::vector<NamedTensor> fuse(const std::vector<NamedTensor>& unfused) {
  std::vector<NamedTensor> fused;
  for (std::size_t i = 0; i < unfused.size(); ++i) {
    if (!unfused[i].name.ends_with(".conv.lk_bias")) {
      fused.push_back(unfused[i]);
      continue;
    }
    // The four tensors of a block follow each other: lk_bias, sk_bias, lk_conv.weight,
    // sk_conv.weight.
    NamedTensor bias = unfused[i];
    for (std::size_t c = 0; c < bias.values.size(); ++c) {
      bias.values[c] += unfused[i + 1].values[c];
    }
    NamedTensor weight = centred_sum(unfused[i + 2], unfused[i + 3]);
    const std::string path = bias.name.substr(0, bias.name.size() - std::string("lk_bias").size());
    weight.name = path + "fused_conv.weight";
    bias.name = path + "fused_conv.bias";
    fused.push_back(std::move(weight));
    fused.push_back(std::move(bias));
    i += 3;
  }
  return fused;
}

void make_epsilon_sensitive(std::vector<NamedTensor>& tensors) {
  for (NamedTensor& tensor : tensors) {
    if (!is_weight(tensor)) continue;
    const double factor = is_of_stages(tensors) ? sensitive_factor_of_stages(tensor.name)
                                                : sensitive_factor(tensor.name);
    for (double& value : tensor.values) value *= factor;
  }
}

void fill_bilinear(std::vector<NamedTensor>& tensors, const NetworkShape& shape) {
  const std::int64_t channels = shape.channels;
  const std::vector<std::int64_t> factors = shuffle_factors(shape.scale);
  if (!shape.fused || channels > 3 || shape.embed_dim < channels || factors.size() > 2) {
    throw std::invalid_argument("no bilinear weights for this network");
  }
  // The body has random weights. The convolution after the body multiplies the body's output by
  // zero.
  fill_random(tensors, 1);
  for (NamedTensor& tensor : tensors) {
    const bool of_body = tensor.name.starts_with("layers.") || tensor.name.starts_with("norm.");
    if (!of_body) std::fill(tensor.values.begin(), tensor.values.end(), 0.0);
  }
  NamedTensor& first = find(tensors, "conv_first.weight");
  for (std::int64_t c = 0; c < channels; ++c) at(first, c, c, 1, 1) = 1;

  // LeakyReLU(v) - LeakyReLU(-v) = 1.01 v: two channels, v and -v, preserve the value v.
  NamedTensor& before = find(tensors, "conv_before_upsample.0.weight");
  for (std::int64_t c = 0; c < channels; ++c) {
    at(before, c, c, 1, 1) = 1;
    at(before, channels + c, c, 1, 1) = -1;
  }
  const double rectified = 1 / 1.01;

  for (std::size_t stage = 0; stage < factors.size(); ++stage) {
    const std::int64_t r = factors[stage];
    NamedTensor& up = find(tensors, "upsample." + std::to_string(2 * stage) + ".weight");
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t i = 0; i < r; ++i) {
        for (std::int64_t j = 0; j < r; ++j) {
          const auto position = [r](std::int64_t k) {
            return (static_cast<double>(k) + 0.5) / static_cast<double>(r) - 0.5;
          };
          const std::vector<double> rows = linear_kernel(position(i));
          const std::vector<double> columns = linear_kernel(position(j));
          for (std::int64_t y = 0; y < 3; ++y) {
            for (std::int64_t x = 0; x < 3; ++x) {
              const double weight =
                  rows[static_cast<std::size_t>(y)] * columns[static_cast<std::size_t>(x)];
              const std::int64_t out = (c * r + i) * r + j;
              at(up, out, c, y, x) = stage == 0 ? weight * rectified : weight;
              if (stage == 0) at(up, out, channels + c, y, x) = -weight * rectified;
            }
          }
        }
      }
    }
  }
  NamedTensor& last = find(tensors, "conv_last.weight");
  for (std::int64_t c = 0; c < channels; ++c) {
    at(last, c, c, 1, 1) = factors.empty() ? rectified : 1;
    if (factors.empty()) at(last, c, channels + c, 1, 1) = -rectified;
  }
}

}  // namespace aether2onnx::tools
