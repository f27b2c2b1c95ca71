#include "module_runner.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "network/evaluate.h"

namespace aether2onnx::test {

namespace {

using network::Module;
using network::Network;
using network::ParameterId;

class Runner {
 public:
  Runner(const Network& network, const state_dict::StateDict& state_dict)
      : network_(network), state_dict_(state_dict) {}

  Image run(const Image& input) {
    values_ = {input};
    for (const Module& module : network_.modules) {
      module_ = &module;
      values_.push_back(std::visit([this](const auto& o) { return apply(o); }, module.operation));
    }
    return values_.back();
  }

 private:
  const Image& input(std::size_t index = 0) const { return values_.at(module_->inputs.at(index)); }

  std::vector<double> weights(ParameterId id) const {
    const TensorData data = network::evaluate(network_.parameters.at(id).value, state_dict_);
    return to_doubles(data.bytes, data.dtype);
  }
  std::vector<double> weights(const std::optional<ParameterId>& id, std::int64_t count) const {
    return id ? weights(*id) : std::vector<double>(static_cast<std::size_t>(count), 0.0);
  }

  template <typename Change>
  static Image each(Image image, Change change) {
    for (double& value : image.values) value = change(value);
    return image;
  }
  // change(value, channel)
  template <typename Change>
  static Image each_channel(Image image, Change change) {
    const auto pixels = static_cast<std::size_t>(image.height * image.width);
    for (std::size_t i = 0; i < image.values.size(); ++i) {
      image.values[i] = change(image.values[i], i / pixels);
    }
    return image;
  }
  template <typename Combine>
  Image both(Combine combine) const {
    Image result = input(0);
    for (std::size_t i = 0; i < result.values.size(); ++i) {
      result.values[i] = combine(result.values[i], input(1).values.at(i));
    }
    return result;
  }

  static Image convolve(const Image& x, const std::vector<double>& weight,
                        const std::vector<double>& bias, std::int64_t kernel, std::int64_t groups) {
    const auto out = static_cast<std::int64_t>(bias.size());
    const std::int64_t in = x.channels / groups;
    const std::int64_t pad = kernel / 2;
    Image y{out, x.height, x.width,
            std::vector<double>(static_cast<std::size_t>(out * x.height * x.width))};
    for (std::int64_t o = 0; o < out; ++o) {
      const std::int64_t first = o / (out / groups) * in;
      for (std::int64_t row = 0; row < x.height; ++row) {
        for (std::int64_t column = 0; column < x.width; ++column) {
          double sum = bias[static_cast<std::size_t>(o)];
          for (std::int64_t i = 0; i < in; ++i) {
            for (std::int64_t ky = 0; ky < kernel; ++ky) {
              for (std::int64_t kx = 0; kx < kernel; ++kx) {
                const std::int64_t sy = row + ky - pad;
                const std::int64_t sx = column + kx - pad;
                if (sy < 0 || sx < 0 || sy >= x.height || sx >= x.width) continue;
                const auto at = ((o * in + i) * kernel + ky) * kernel + kx;
                sum += weight[static_cast<std::size_t>(at)] * x.at(first + i, sy, sx);
              }
            }
          }
          y.at(o, row, column) = sum;
        }
      }
    }
    return y;
  }

  static double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

  Image apply(const network::Shift& o) const {
    return each(input(), [&](double x) { return x + o.value; });
  }
  Image apply(const network::ChannelShift& o) const {
    const auto shift = weights(o.value);
    return each_channel(input(), [&](double x, std::size_t c) {
      return o.subtract ? x - shift.at(c) : x + shift.at(c);
    });
  }
  Image apply(const network::Scale& o) const {
    const double factor = o.parameter ? weights(*o.parameter).at(0) : o.number;
    return each(input(), [&](double x) { return o.divide ? x / factor : x * factor; });
  }
  Image apply(const network::Conv2d& o) const {
    const std::int64_t out = network_.parameters.at(o.weight).shape.front();
    return convolve(input(), weights(o.weight), weights(o.bias, out), o.kernel, o.groups);
  }
  Image apply(const network::ReparameterizedConv2d& o) const {
    const auto& large = network_.parameters.at(o.large_weight).shape;
    const auto& small = network_.parameters.at(o.small_weight).shape;
    Image a = convolve(input(), weights(o.large_weight), weights(o.large_bias), large[3], large[0]);
    const Image b =
        convolve(input(), weights(o.small_weight), weights(o.small_bias), small[3], small[0]);
    for (std::size_t i = 0; i < a.values.size(); ++i) a.values[i] += b.values[i];
    return a;
  }
  Image apply(const network::LayerNorm& o) const {
    const auto weight = weights(o.weight);
    const auto bias = weights(o.bias);
    Image y = input();
    for (std::int64_t row = 0; row < y.height; ++row) {
      for (std::int64_t column = 0; column < y.width; ++column) {
        double mean = 0;
        double variance = 0;
        for (std::int64_t c = 0; c < y.channels; ++c) mean += input().at(c, row, column);
        mean /= static_cast<double>(y.channels);
        for (std::int64_t c = 0; c < y.channels; ++c) {
          variance += std::pow(input().at(c, row, column) - mean, 2);
        }
        variance /= static_cast<double>(y.channels);
        for (std::int64_t c = 0; c < y.channels; ++c) {
          const auto i = static_cast<std::size_t>(c);
          y.at(c, row, column) =
              (input().at(c, row, column) - mean) / std::sqrt(variance + o.epsilon) * weight.at(i) +
              bias.at(i);
        }
      }
    }
    return y;
  }
  Image apply(const network::DeploymentNorm& o) const {
    const auto weight = weights(o.weight);
    const auto bias = weights(o.bias);
    const auto mean = weights(o.running_mean);
    const auto variance = weights(o.running_var);
    return each_channel(input(), [&](double x, std::size_t c) {
      return (x - mean.at(c)) / std::sqrt(variance.at(c) + o.epsilon) * weight.at(c) + bias.at(c);
    });
  }
  Image apply(const network::ChannelAffine& o) const {
    const auto weight = weights(o.weight);
    const auto bias = weights(o.bias);
    return each_channel(input(),
                        [&](double x, std::size_t c) { return x * weight.at(c) + bias.at(c); });
  }
  Image apply(const network::Linear& o) const {
    return convolve(input(), weights(o.weight), weights(o.bias), 1, 1);
  }
  Image apply(const network::Gelu& /*o*/) const {
    return each(input(), [](double x) { return x * (1 + std::erf(x / std::sqrt(2.0))) / 2; });
  }
  Image apply(const network::Silu& /*o*/) const {
    return each(input(), [](double x) { return x * sigmoid(x); });
  }
  Image apply(const network::LeakyRelu& o) const {
    return each(input(), [&](double x) { return x < 0 ? x * o.slope : x; });
  }
  Image apply(const network::PixelShuffle& o) const {
    const std::int64_t r = o.factor;
    Image y{input().channels / (r * r), input().height * r, input().width * r, {}};
    y.values.resize(input().values.size());
    for (std::int64_t c = 0; c < y.channels; ++c) {
      for (std::int64_t row = 0; row < y.height; ++row) {
        for (std::int64_t column = 0; column < y.width; ++column) {
          y.at(c, row, column) =
              input().at(c * r * r + row % r * r + column % r, row / r, column / r);
        }
      }
    }
    return y;
  }
  Image apply(const network::ChannelAttention& o) const {
    Image mean{input().channels, 1, 1, {}};
    const auto pixels = static_cast<std::size_t>(input().height * input().width);
    for (std::size_t begin = 0; begin < input().values.size(); begin += pixels) {
      double sum = 0;
      for (std::size_t i = 0; i < pixels; ++i) sum += input().values[begin + i];
      mean.values.push_back(sum / static_cast<double>(pixels));
    }
    const std::int64_t width = network_.parameters.at(o.reduce_weight).shape.front();
    Image middle = convolve(mean, weights(o.reduce_weight), weights(o.reduce_bias, width), 1, 1);
    middle = each(middle, [](double x) { return std::max(x, 0.0); });
    const Image factors =
        convolve(middle, weights(o.expand_weight), weights(o.expand_bias, input().channels), 1, 1);
    return each_channel(input(),
                        [&](double x, std::size_t c) { return x * sigmoid(factors.values.at(c)); });
  }
  Image apply(const network::SpatialAttention& o) const {
    Image seen{2, input().height, input().width, {}};
    const auto pixels = static_cast<std::size_t>(input().height * input().width);
    seen.values.assign(2 * pixels, 0);
    for (std::size_t i = 0; i < pixels; ++i) {
      double largest = -std::numeric_limits<double>::infinity();
      double sum = 0;
      for (std::size_t at = i; at < input().values.size(); at += pixels) {
        largest = std::max(largest, input().values[at]);
        sum += input().values[at];
      }
      seen.values[i] = largest;
      seen.values[pixels + i] = sum / static_cast<double>(input().channels);
    }
    const Image factors = convolve(seen, weights(o.weight), {0.0}, o.kernel, 1);
    Image y = input();
    for (std::size_t i = 0; i < y.values.size(); ++i) {
      y.values[i] *= sigmoid(factors.values[i % pixels]);
    }
    return y;
  }
  Image apply(const network::Add& /*o*/) const {
    return both([](double a, double b) { return a + b; });
  }
  Image apply(const network::Multiply& /*o*/) const {
    return both([](double a, double b) { return a * b; });
  }
  Image apply(const network::Concat& /*o*/) const {
    Image y{0, input().height, input().width, {}};
    for (std::size_t i = 0; i < module_->inputs.size(); ++i) {
      y.channels += input(i).channels;
      y.values.insert(y.values.end(), input(i).values.begin(), input(i).values.end());
    }
    return y;
  }

  const Network& network_;
  const state_dict::StateDict& state_dict_;
  std::vector<Image> values_;
  const Module* module_ = nullptr;
};

}  // namespace

Image make_image(std::int64_t channels, std::int64_t height, std::int64_t width) {
  Image image{channels, height, width, {}};
  const std::int64_t count = channels * height * width;
  for (std::int64_t n = 0; n < count; ++n) {
    image.values.push_back(0.5 + 0.5 * std::sin(0.3 * static_cast<double>(n)));
  }
  return image;
}

Image run_modules(const Network& network, const state_dict::StateDict& state_dict,
                  const Image& input) {
  return Runner(network, state_dict).run(input);
}

double largest_difference(const Image& a, const Image& b) {
  if (a.values.size() != b.values.size() || a.channels != b.channels) {
    return std::numeric_limits<double>::infinity();
  }
  double largest = 0;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    const double difference = std::abs(a.values[i] - b.values[i]);
    largest = std::isfinite(difference) ? std::max(largest, difference)
                                        : std::numeric_limits<double>::infinity();
  }
  return largest;
}

}  // namespace aether2onnx::test
