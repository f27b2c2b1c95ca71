// AetherNet, first generation: keys layers.<group>.<block>.…
//
// Every block is a large-kernel depthwise convolution (trained as the sum of two), a LayerNorm over
// the channels, a gated feed-forward of three projections, and a residual addition. The formulas
// and eps values are those of the published class definition.

#include "network/generation1.h"

#include <array>
#include <map>

#include "base/error.h"
#include "base/text.h"
#include "network/evidence.h"
#include "network/generation.h"
#include "network/keys.h"
#include "network/network_writer.h"

namespace aether2onnx::network {

using state_dict::Entry;

namespace {

constexpr double kBlockNormEpsilon = 1e-6;
constexpr double kBodyNormEpsilon = 1e-5;
constexpr double kLeakySlope = 0.01;
constexpr double kMeanOfThreeChannels = 0.5;  // networks with any other channel count have none

constexpr std::array kNames = {"G1"};

constexpr std::array kVariants = {
    Variant{"aether_small", 96, 4, 4, 192, 11, 3, {}, {}},
    Variant{"aether_medium", 128, 6, 6, 256, 11, 3, {}, {}},
    Variant{"aether_large", 180, 8, 8, 450, 13, 3, {}, {}},
};

constexpr const char* kBlocks = "layers.";
constexpr const char* kWhat = "AetherNet of the first generation";

bool fits(const View& view) {
  return view.any_key([](std::string_view name) {
    const auto key = parse_block_key(name, kBlocks);
    return key && (is_fused_key(key->suffix) || is_unfused_key(key->suffix) ||
                   key->suffix.starts_with("ffn.fc1_gate."));
  });
}

// --- dimensions -------------------------------------------------------------------------------

void measure_upsampler(const Measure& measure, Dimensions& d) {
  std::map<std::size_t, int> indices;
  for (const Entry* entry : measure.view().entries()) {
    std::string_view key = entry->name;
    constexpr std::string_view start = "upsample.";
    if (!key.starts_with(start)) continue;
    key.remove_prefix(start.size());
    const auto index = take_index(key);
    if (index && *index % 2 == 0 && *index / 2 < kMostUpsamplers) ++indices[*index / 2];
  }
  const std::size_t count = indices.empty() ? 0 : indices.rbegin()->first + 1;
  for (std::size_t i = 0; i < count; ++i) {
    // Factor 3 exists only alone; a missing tensor is taken for the usual factor 2.
    const auto out = measure.size(fmt::format("upsample.{}.weight", 2 * i), 4, 0);
    const bool three = count == 1 && out && *out == 9 * d.feature_width;
    d.shuffle_factors.push_back(three ? 3 : 2);
  }
}

void check(const Dimensions& d) {
  require_size(d.embed_dim, "embed_dim", "conv_first.weight", kWhat);
  require_size(d.channels, "number of channels", "conv_first.weight", kWhat);
  require_size(d.hidden_dim, "hidden width", "layers.0.0.ffn.fc1_gate.weight", kWhat);
  require_size(d.large_kernel, "kernel size",
               d.fused ? "layers.0.0.conv.fused_conv.weight" : "layers.0.0.conv.lk_conv.weight",
               kWhat);
  require_size(d.feature_width, "feature width", "conv_before_upsample.0.weight", kWhat);
  if (!d.fused) {
    require_size(d.small_kernel, "small kernel size", "layers.0.0.conv.sk_conv.weight", kWhat);
  }
  require_kernels(d.large_kernel, d.small_kernel);
}

Dimensions measured(const View& view) {
  const Measure measure(view, kBlocks);
  Dimensions d;
  d.depths = measure.depths();
  d.fused = measure.fused();
  d.embed_dim = measure.size("conv_first.weight", 4, 0).value_or(0);
  if (d.embed_dim == 0) d.embed_dim = measure.size("norm.weight", 1, 0).value_or(0);
  if (d.embed_dim == 0) d.embed_dim = measure.block_size("norm.weight", 1, 0);
  d.channels = measure.size("conv_first.weight", 4, 1).value_or(0);
  if (d.channels == 0) d.channels = measure.size("conv_last.weight", 4, 0).value_or(0);
  d.hidden_dim = measure.block_size("ffn.fc1_gate.weight", 2, 0);
  if (d.hidden_dim == 0) d.hidden_dim = measure.block_size("ffn.fc1_main.weight", 2, 0);
  d.large_kernel =
      measure.block_size(d.fused ? "conv.fused_conv.weight" : "conv.lk_conv.weight", 4, 3);
  d.small_kernel = d.fused ? measure.noted_fused_from(d.large_kernel).small_kernel
                           : measure.block_size("conv.sk_conv.weight", 4, 3);
  d.feature_width = measure.size("conv_before_upsample.0.weight", 4, 0).value_or(0);
  if (d.feature_width == 0) d.feature_width = measure.size("conv_last.weight", 4, 1).value_or(0);
  measure_upsampler(measure, d);
  check(d);
  return d;
}

// --- description ------------------------------------------------------------------------------

// Adds the modules of the forward pass, and with them the parameters in the order of the class.
class Describer {
 public:
  Describer(const Dimensions& dimensions, double img_range)
      : d_(dimensions), img_range_(img_range) {}

  NetworkWriter describe() {
    const double mean = d_.channels == 3 ? kMeanOfThreeChannels : 0;
    ValueId image = 0;
    if (mean != 0) image = out_.add("mean_sub", Shift{-mean}, {image});
    image = in_range("img_range_in", image, false);
    const ValueId shallow = out_.conv("conv_first", d_.embed_dim, d_.channels, 3, image);

    ValueId body = shallow;
    for (std::size_t group = 0; group < d_.depths.size(); ++group) {
      for (std::size_t i = 0; i < static_cast<std::size_t>(d_.depths[group]); ++i) {
        body = block(fmt::format("layers.{}.{}", group, i), body);
      }
    }
    body = out_.layer_norm("norm", d_.embed_dim, kBodyNormEpsilon, body);
    body = out_.conv("conv_after_body", d_.embed_dim, d_.embed_dim, 3, body);
    body = out_.add("body_residual", Add{}, {body, shallow});

    ValueId image_space =
        out_.conv("conv_before_upsample.0", d_.feature_width, d_.embed_dim, 3, body);
    image_space = out_.add("conv_before_upsample.1", LeakyRelu{kLeakySlope}, {image_space});
    for (std::size_t i = 0; i < d_.shuffle_factors.size(); ++i) {
      const std::int64_t factor = d_.shuffle_factors[i];
      image_space = out_.conv(fmt::format("upsample.{}", 2 * i), d_.feature_width * factor * factor,
                              d_.feature_width, 3, image_space);
      image_space =
          out_.add(fmt::format("upsample.{}", 2 * i + 1), PixelShuffle{factor}, {image_space});
    }
    image_space = out_.conv("conv_last", d_.channels, d_.feature_width, 3, image_space);
    image_space = in_range("img_range_out", image_space, true);
    if (mean != 0) out_.add("mean_add", Shift{mean}, {image_space});
    return std::move(out_);
  }

 private:
  ValueId in_range(const char* path, ValueId image, bool divide) {
    if (img_range_ == 1) return image;
    return out_.add(path, Scale{img_range_, {}, divide}, {image});
  }

  ValueId block(const std::string& path, ValueId input) {
    const DepthwiseLayout layout{d_.embed_dim, d_.large_kernel, d_.small_kernel, d_.fused};
    const ValueId mixed = out_.depthwise(path + ".conv", layout, input);
    const ValueId normalized =
        out_.layer_norm(path + ".norm", d_.embed_dim, kBlockNormEpsilon, mixed);
    const ValueId gate =
        out_.linear(path + ".ffn.fc1_gate", d_.hidden_dim, d_.embed_dim, normalized);
    const ValueId main =
        out_.linear(path + ".ffn.fc1_main", d_.hidden_dim, d_.embed_dim, normalized);
    const ValueId activated = out_.add(path + ".ffn.act", Gelu{}, {gate});
    const ValueId gated = out_.add(path + ".ffn", Multiply{}, {activated, main});
    const ValueId projected = out_.linear(path + ".ffn.fc2", d_.embed_dim, d_.hidden_dim, gated);
    return out_.add(path, Add{}, {input, projected});
  }

  const Dimensions& d_;
  double img_range_;
  NetworkWriter out_;
};

NetworkInfo facts_of(const Dimensions& d) {
  NetworkInfo facts;
  facts.architecture = "AetherNet";
  facts.generation = kNames.front();
  facts.scale = d.scale();
  facts.input_channels = d.channels;
  facts.embed_dim = d.embed_dim;
  facts.depths = d.depths;
  facts.hidden_dim = d.hidden_dim;
  facts.large_kernel = d.large_kernel;
  facts.small_kernel = d.small_kernel;
  facts.fused = d.fused;
  facts.norm_type = NormType::layernorm;
  facts.model_type = variant_of(kVariants, facts);
  return facts;
}

Network describe(const View& view, const ReadOptions& options) {
  refuse_res_scale(options, kNames.front());
  refuse_norm_eps(options, "the checkpoint's normalizations have no stored statistics");
  const Dimensions d = measured(view);
  NetworkInfo facts = facts_of(d);
  std::vector<std::string> warnings;
  const Decided img_range = decide_img_range(view, options, warnings);
  NetworkWriter writer = Describer(d, img_range.value).describe();
  writer.check_strictly(
      view, fmt::format("an AetherNet of the first generation ({} x{}, embed_dim {}, depths {})",
                        facts.model_type, facts.scale, facts.embed_dim, join(facts.depths)));
  facts.quantization = view.quantization();
  facts.numbers["img_range"] = img_range.value;
  add_evidence(facts, "generation", facts.generation, "keys layers.<group>.<block>.ffn.fc1_gate");
  add_evidence(facts, "img_range", img_range);
  Network network = writer.take();
  network.facts = std::move(facts);
  network.warnings = std::move(warnings);
  return network;
}

}  // namespace

Network network_of(const Dimensions& d) {
  Network network = Describer(d, 1).describe().take();
  network.facts = facts_of(d);
  return network;
}

std::vector<std::int64_t> depths_of_variant(const Dimensions& d) {
  return depths_of_variant(kVariants, facts_of(d));
}

const Generation kGeneration1 = {kNames, kVariants, fits, fits, describe, recognise_generation1};

}  // namespace aether2onnx::network
