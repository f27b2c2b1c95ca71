// The first generation of AetherNet (G1): its keys (layers.<group>.<block>.…) and its forward pass.
//
// A block is a large-kernel depthwise convolution (trained as the sum of two convolutions), a
// LayerNorm over the channels, a gated feed-forward network of three Linear layers, and a residual
// addition. The formulas and the epsilons of norms are from the published PyTorch class.

#include <array>

#include "network/keys.h"
#include "network/network_writer.h"

namespace aether2onnx::network {

namespace {

constexpr double kBlockNormEpsilon = 1e-6;
constexpr double kBodyNormEpsilon = 1e-5;
constexpr double kLeakySlope = 0.01;
constexpr double kMeanOfThreeChannels = 0.5;  // the mean is 0 for other numbers of channels

constexpr std::array kNames = {"G1"};

constexpr std::array kVariants = {
    Variant{"aether_small", 96, 4, 4, 192, 11, 3, {}, {}},
    Variant{"aether_medium", 128, 6, 6, 256, 11, 3, {}, {}},
    Variant{"aether_large", 180, 8, 8, 450, 13, 3, {}, {}},
};

bool fits(const FloatStateDict& file) {
  return file.any_key([](std::string_view name) {
    const auto key = parse_block_key(name, "layers.");
    return key && (is_fused_key(key->suffix) || is_unfused_key(key->suffix) ||
                   key->suffix.starts_with("ffn.fc1_gate."));
  });
}

Decision decide(const FloatStateDict& /*file*/, const ReadOptions& /*options*/) {
  return {kNames.front(), "keys layers.<group>.<block>.ffn.fc1_gate"};
}

std::string upsample_path(std::size_t i) { return fmt::format("upsample.{}", i); }

Dimensions measure(const FloatStateDict& file, const std::string& what) {
  const Measure measure(file, "layers.", what);
  Dimensions d = measure.blocks("ffn.fc1_gate.weight", "ffn.fc1_main.weight", 2);
  d.last_width = measure.size("conv_before_upsample.0.weight", 4, 0).value_or(0);
  if (d.last_width == 0) d.last_width = measure.size("conv_last.weight", 4, 1).value_or(0);
  measure.require_size(d.last_width, "feature width", "conv_before_upsample.0.weight");
  std::size_t count = 0;
  for (const state_dict::Entry* entry : file.entries()) {
    std::string_view key = entry->name;
    constexpr std::string_view start = "upsample.";
    if (!key.starts_with(start)) continue;
    key.remove_prefix(start.size());
    const auto index = take_index(key);
    if (index && *index % 2 == 0 && *index / 2 < kMostUpsamplers) {
      count = std::max(count, *index / 2 + 1);
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    // A pixel shuffle follows each convolution. The factor is 3 only in an upsampler with one
    // convolution. If the convolution's weight is missing, the factor is 2.
    const auto out = measure.size(upsample_path(2 * i) + ".weight", 4, 0);
    const bool three = count == 1 && out && *out == 9 * d.last_width;
    d.upsampler.push_back({upsample_path(2 * i), d.last_width, three ? 3 : 2});
  }
  return d;
}

ValueId block(NetworkWriter& net, const std::string& path, ValueId input) {
  const std::int64_t width = net.d.embed_dim;
  const std::int64_t hidden = net.d.hidden_dim;
  ValueId x = net.depthwise(path + ".conv", input);
  x = net.layer_norm(path + ".norm", kBlockNormEpsilon, x);
  const ValueId gate = net.linear(path + ".ffn.fc1_gate", hidden, width, x);
  const ValueId main = net.linear(path + ".ffn.fc1_main", hidden, width, x);
  x = net.add(path + ".ffn.act", Gelu{}, {gate});
  x = net.add(path + ".ffn", Multiply{}, {x, main});
  x = net.linear(path + ".ffn.fc2", width, hidden, x);
  return net.add(path, Add{}, {input, x});
}

void forward(NetworkWriter& net) {
  const std::int64_t embed_dim = net.d.embed_dim;
  const std::int64_t width = net.d.last_width;
  const double mean = net.d.channels == 3 ? kMeanOfThreeChannels : 0;
  ValueId x = kImage;
  if (mean != 0) x = net.add("mean_sub", Shift{-mean}, {x});
  x = net.multiply_by_range("img_range_in", x);
  const ValueId shallow = net.conv("conv_first", embed_dim, net.d.channels, 3, x);

  x = shallow;
  for (std::size_t group = 0; group < net.d.depths.size(); ++group) {
    for (std::int64_t i = 0; i < net.d.depths[group]; ++i) {
      x = block(net, fmt::format("layers.{}.{}", group, i), x);
    }
  }
  x = net.layer_norm("norm", kBodyNormEpsilon, x);
  x = net.conv("conv_after_body", embed_dim, embed_dim, 3, x);
  x = net.add("body_residual", Add{}, {x, shallow});

  x = net.conv("conv_before_upsample.0", width, embed_dim, 3, x);
  x = net.add("conv_before_upsample.1", LeakyRelu{kLeakySlope}, {x});
  for (std::size_t i = 0; i < net.d.upsampler.size(); ++i) {
    const std::int64_t factor = net.d.upsampler[i].factor;
    x = net.conv(upsample_path(2 * i), width * factor * factor, width, 3, x);
    x = net.add(upsample_path(2 * i + 1), PixelShuffle{factor}, {x});
  }
  x = net.conv("conv_last", net.d.channels, width, 3, x);
  x = net.divide_by_range("img_range_out", x);
  if (mean != 0) net.add("mean_add", Shift{mean}, {x});
}

}  // namespace

const Generation kGeneration1 = {kNames, kVariants, fits, fits, decide, measure, forward, true};

}  // namespace aether2onnx::network
