// AetherNet, first generation: keys layers.<group>.<block>.…
//
// Every block is a large-kernel depthwise convolution (trained as the sum of two), a LayerNorm over
// the channels, a gated feed-forward of three projections, and a residual addition. The formulas
// and eps values are those of the published class definition.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "network/generation.h"
#include "network/generation1.h"

namespace aether2onnx::network {

using state_dict::Entry;
using state_dict::StateDict;

namespace {

constexpr double kBlockNormEpsilon = 1e-6;
constexpr double kBodyNormEpsilon = 1e-5;
constexpr double kLeakySlope = 0.01;
constexpr double kMeanOfThreeChannels = 0.5;  // networks with any other channel count have none

struct Variant {
  const char* name;
  std::int64_t embed_dim;
  std::vector<std::int64_t> depths;
  std::int64_t hidden_dim;
  std::int64_t large_kernel;
  std::int64_t small_kernel;
};

const std::vector<Variant>& variants() {
  static const std::vector<Variant> table = {
      {"aether_small", 96, std::vector<std::int64_t>(4, 4), 192, 11, 3},
      {"aether_medium", 128, std::vector<std::int64_t>(6, 6), 256, 11, 3},
      {"aether_large", 180, std::vector<std::int64_t>(8, 8), 450, 13, 3},
  };
  return table;
}

// --- keys -------------------------------------------------------------------------------------

std::string block_path(std::size_t group, std::size_t block) {
  return fmt::format("layers.{}.{}", group, block);
}

// Takes a decimal number and the dot behind it off the front of `text`.
std::optional<std::size_t> take_index(std::string_view& text) {
  std::size_t index = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), index);
  if (result.ec != std::errc{} || result.ptr == text.data() + text.size() || *result.ptr != '.') {
    return std::nullopt;
  }
  text.remove_prefix(static_cast<std::size_t>(result.ptr - text.data()) + 1);
  return index;
}

}  // namespace

std::optional<BlockKey> parse_block_key(std::string_view key) {
  constexpr std::string_view start = "layers.";
  if (!key.starts_with(start)) return std::nullopt;
  key.remove_prefix(start.size());
  const auto group = take_index(key);
  const auto block = group ? take_index(key) : std::nullopt;
  if (!block) return std::nullopt;
  return BlockKey{*group, *block, key};
}

namespace {

bool is_fused_key(std::string_view suffix) { return suffix.starts_with("conv.fused_conv."); }

bool is_unfused_key(std::string_view suffix) {
  return suffix.starts_with("conv.lk_conv.") || suffix.starts_with("conv.sk_conv.") ||
         suffix == "conv.lk_bias" || suffix == "conv.sk_bias";
}

bool claims(const StateDict& state_dict) {
  return std::any_of(state_dict.entries().begin(), state_dict.entries().end(),
                     [](const Entry& entry) {
                       const auto key = parse_block_key(entry.name);
                       return key && (is_fused_key(key->suffix) || is_unfused_key(key->suffix) ||
                                      key->suffix.starts_with("ffn.fc1_gate."));
                     });
}

// --- dimensions -------------------------------------------------------------------------------

// Reads dimensions from whichever tensors have them. What contradicts is found afterwards, when all
// tensors are compared with the shapes that follow from the dimensions.
class Measurer {
 public:
  explicit Measurer(const StateDict& state_dict) : state_dict_(state_dict) {}

  Dimensions measure() {
    Dimensions d;
    measure_blocks(d);
    d.embed_dim = size("conv_first.weight", 4, 0).value_or(0);
    if (d.embed_dim == 0) d.embed_dim = size("norm.weight", 1, 0).value_or(0);
    if (d.embed_dim == 0) d.embed_dim = first_block_size("norm.weight", 1, 0);
    d.channels = size("conv_first.weight", 4, 1).value_or(0);
    if (d.channels == 0) d.channels = size("conv_last.weight", 4, 0).value_or(0);
    d.hidden_dim = first_block_size("ffn.fc1_gate.weight", 2, 0);
    if (d.hidden_dim == 0) d.hidden_dim = first_block_size("ffn.fc1_main.weight", 2, 0);
    d.large_kernel =
        first_block_size(d.fused ? "conv.fused_conv.weight" : "conv.lk_conv.weight", 4, 3);
    d.small_kernel = d.fused ? noted_small_kernel(d.large_kernel)
                             : first_block_size("conv.sk_conv.weight", 4, 3);
    d.feature_width = size("conv_before_upsample.0.weight", 4, 0).value_or(0);
    if (d.feature_width == 0) d.feature_width = size("conv_last.weight", 4, 1).value_or(0);
    measure_upsampler(d);
    check(d);
    return d;
  }

 private:
  // The size of one axis of a tensor, where there is such a tensor of that rank with elements in
  // it.
  std::optional<std::int64_t> size(const std::string& key, std::size_t rank,
                                   std::size_t axis) const {
    const Entry* entry = state_dict_.find(key);
    if (entry == nullptr || !entry->tensor || entry->tensor->shape.size() != rank ||
        entry->tensor->elements == 0) {
      return std::nullopt;
    }
    const std::int64_t found = entry->tensor->shape[axis];
    if (found > limits::kLayerWidth) {
      fail(ErrorKind::limit, "the tensor {} is {}; at most {} are read along one axis.", key,
           shape_text(entry->tensor->shape), with_thousands(limits::kLayerWidth));
    }
    return found;
  }

  std::int64_t first_block_size(std::string_view suffix, std::size_t rank, std::size_t axis) const {
    for (const auto& [group, blocks] : blocks_) {
      for (const auto& [block, count] : blocks) {
        const auto found = size(fmt::format("{}.{}", block_path(group, block), suffix), rank, axis);
        if (found && *found > 0) return *found;
      }
    }
    return 0;
  }

  void measure_blocks(Dimensions& d) {
    std::size_t fused_keys = 0;
    std::size_t unfused_keys = 0;
    for (const Entry& entry : state_dict_.entries()) {
      const auto key = parse_block_key(entry.name);
      if (!key) continue;
      ++blocks_[key->group][key->block];
      fused_keys += is_fused_key(key->suffix) ? 1U : 0U;
      unfused_keys += is_unfused_key(key->suffix) ? 1U : 0U;
    }
    if (fused_keys > 0 && unfused_keys > 0) {
      fail(ErrorKind::mismatch,
           "the file is an AetherNet that is fused in part: {} of a fused convolution "
           "(conv.fused_conv) and {} of unfused ones (conv.lk_conv, conv.sk_conv, biases).\n"
           "Give the checkpoint from before fusion, or fuse it as a whole.",
           plural(fused_keys, "key"), plural(unfused_keys, "key"));
    }
    d.fused = unfused_keys == 0;
    const std::size_t groups = dense_count(blocks_);
    for (std::size_t group = 0; group < groups; ++group) {
      const auto found = blocks_.find(group);
      d.depths.push_back(
          found == blocks_.end() ? 1 : static_cast<std::int64_t>(dense_count(found->second)));
    }
  }

  // How many there are when they are numbered 0, 1, 2, …: the highest number tells, so that one
  // that lacks is reported as missing. Where most would be missing, the number is nonsense, and the
  // count up to the first gap is taken; the rest is reported as unexpected.
  template <typename Value>
  static std::size_t dense_count(const std::map<std::size_t, Value>& by_index) {
    if (by_index.empty()) return 0;
    const std::size_t highest = by_index.rbegin()->first;
    if (highest < 2 * by_index.size() + 2) return highest + 1;
    std::size_t count = 0;
    while (by_index.contains(count)) ++count;
    return std::max<std::size_t>(count, 1);
  }

  // The small kernel that a fused checkpoint says it had. The note is the file's word: it counts
  // only where it is, to the letter, what is written for some kernel that goes with the large one.
  std::int64_t noted_small_kernel(std::int64_t large_kernel) const {
    const auto& metadata = state_dict_.metadata();
    const auto note = std::find_if(metadata.begin(), metadata.end(),
                                   [](const auto& entry) { return entry.first == "fused_from"; });
    if (note == metadata.end()) return 0;
    Report::Network facts;
    facts.large_kernel = large_kernel;
    for (facts.small_kernel = 1; facts.small_kernel <= large_kernel; facts.small_kernel += 2) {
      if (fused_from(facts) == note->second) return facts.small_kernel;
    }
    return 0;
  }

  void measure_upsampler(Dimensions& d) const {
    std::map<std::size_t, int> indices;
    for (const Entry& entry : state_dict_.entries()) {
      std::string_view key = entry.name;
      constexpr std::string_view start = "upsample.";
      if (!key.starts_with(start)) continue;
      key.remove_prefix(start.size());
      const auto index = take_index(key);
      if (index && *index % 2 == 0 && *index / 2 < kMostUpsamplers) ++indices[*index / 2];
    }
    const std::size_t count = indices.empty() ? 0 : indices.rbegin()->first + 1;
    for (std::size_t i = 0; i < count; ++i) {
      // Factor 3 exists only alone; a missing tensor is taken for the usual factor 2.
      const auto out = size(fmt::format("upsample.{}.weight", 2 * i), 4, 0);
      const bool three = count == 1 && out && *out == 9 * d.feature_width;
      d.shuffle_factors.push_back(three ? 3 : 2);
    }
  }

  static void require_size(std::int64_t size, const char* what, const char* where) {
    if (size <= 0) {
      fail(ErrorKind::mismatch,
           "the file looks like an AetherNet of the first generation, but its {} can't be told: {} "
           "is missing or has the wrong number of dimensions.\n"
           "The file is incomplete; download or save it again.",
           what, where);
    }
  }

  static void require_odd(std::int64_t kernel, const char* what) {
    if (kernel % 2 == 0) {
      fail(
          ErrorKind::mismatch,
          "the file is an AetherNet with a {} kernel of {} x {}: only odd sizes keep the picture's "
          "size.\nSuch a network can't run in PyTorch either; check how it was trained.",
          what, kernel, kernel);
    }
  }

  static void check(const Dimensions& d) {
    require_size(d.embed_dim, "embed_dim", "conv_first.weight");
    require_size(d.channels, "number of channels", "conv_first.weight");
    require_size(d.hidden_dim, "hidden width", "layers.0.0.ffn.fc1_gate.weight");
    require_size(d.large_kernel, "kernel size",
                 d.fused ? "layers.0.0.conv.fused_conv.weight" : "layers.0.0.conv.lk_conv.weight");
    require_size(d.feature_width, "feature width", "conv_before_upsample.0.weight");
    require_odd(d.large_kernel, "large");
    if (d.fused) return;
    require_size(d.small_kernel, "small kernel size", "layers.0.0.conv.sk_conv.weight");
    require_odd(d.small_kernel, "small");
    if (d.small_kernel > d.large_kernel) {
      fail(ErrorKind::mismatch,
           "the file is an AetherNet whose small kernel ({0} x {0}) is larger than its large one "
           "({1} x {1}), so the two can't be fused.\nCheck how it was trained.",
           d.small_kernel, d.large_kernel);
    }
  }

  const StateDict& state_dict_;
  std::map<std::size_t, std::map<std::size_t, int>> blocks_;  // keys of each block
};

// --- description ------------------------------------------------------------------------------

// Adds the modules of the forward pass, and with them the parameters in the order of the class.
class Describer {
 public:
  explicit Describer(const Dimensions& dimensions) : d_(dimensions) {}

  Network describe() {
    const double mean = d_.channels == 3 ? kMeanOfThreeChannels : 0;
    ValueId image = 0;
    if (mean != 0) image = network_.add("mean_sub", Shift{-mean}, {image});
    const ValueId shallow = conv("conv_first", d_.embed_dim, d_.channels, 3, image);

    ValueId body = shallow;
    for (std::size_t group = 0; group < d_.depths.size(); ++group) {
      for (std::size_t i = 0; i < static_cast<std::size_t>(d_.depths[group]); ++i) {
        body = block(block_path(group, i), body);
      }
    }
    body = norm("norm", kBodyNormEpsilon, body);
    body = conv("conv_after_body", d_.embed_dim, d_.embed_dim, 3, body);
    body = network_.add("body_residual", Add{}, {body, shallow});

    ValueId image_space = conv("conv_before_upsample.0", d_.feature_width, d_.embed_dim, 3, body);
    image_space = network_.add("conv_before_upsample.1", LeakyRelu{kLeakySlope}, {image_space});
    for (std::size_t i = 0; i < d_.shuffle_factors.size(); ++i) {
      const std::int64_t factor = d_.shuffle_factors[i];
      image_space = conv(fmt::format("upsample.{}", 2 * i), d_.feature_width * factor * factor,
                         d_.feature_width, 3, image_space);
      image_space =
          network_.add(fmt::format("upsample.{}", 2 * i + 1), PixelShuffle{factor}, {image_space});
    }
    image_space = conv("conv_last", d_.channels, d_.feature_width, 3, image_space);
    if (mean != 0) network_.add("mean_add", Shift{mean}, {image_space});
    return std::move(network_);
  }

 private:
  ParameterId parameter(const std::string& key, std::vector<std::int64_t> shape) {
    return network_.add_parameter(key, std::move(shape), Expression::stored(key));
  }

  ValueId conv(const std::string& path, std::int64_t out, std::int64_t in, std::int64_t kernel,
               ValueId input) {
    const ParameterId weight = parameter(path + ".weight", {out, in, kernel, kernel});
    const ParameterId bias = parameter(path + ".bias", {out});
    return network_.add(path, Conv2d{weight, bias, kernel, 1}, {input});
  }

  ValueId norm(const std::string& path, double epsilon, ValueId input) {
    const ParameterId weight = parameter(path + ".weight", {d_.embed_dim});
    const ParameterId bias = parameter(path + ".bias", {d_.embed_dim});
    return network_.add(path, LayerNorm{weight, bias, epsilon}, {input});
  }

  ValueId linear(const std::string& path, std::int64_t out, std::int64_t in, ValueId input) {
    const ParameterId weight = parameter(path + ".weight", {out, in});
    const ParameterId bias = parameter(path + ".bias", {out});
    return network_.add(path, Linear{weight, bias}, {input});
  }

  ValueId depthwise(const std::string& path, ValueId input) {
    const std::int64_t channels = d_.embed_dim;
    if (d_.fused) {
      const std::string fused = path + ".fused_conv";
      const ParameterId weight =
          parameter(fused + ".weight", {channels, 1, d_.large_kernel, d_.large_kernel});
      const ParameterId bias = parameter(fused + ".bias", {channels});
      return network_.add(fused, Conv2d{weight, bias, d_.large_kernel, channels}, {input});
    }
    ReparameterizedConv2d unfused;
    unfused.large_bias = parameter(path + ".lk_bias", {channels});
    unfused.small_bias = parameter(path + ".sk_bias", {channels});
    unfused.large_weight =
        parameter(path + ".lk_conv.weight", {channels, 1, d_.large_kernel, d_.large_kernel});
    unfused.small_weight =
        parameter(path + ".sk_conv.weight", {channels, 1, d_.small_kernel, d_.small_kernel});
    unfused.fused_path = path + ".fused_conv";
    return network_.add(path, unfused, {input});
  }

  ValueId block(const std::string& path, ValueId input) {
    const ValueId mixed = depthwise(path + ".conv", input);
    const ValueId normalized = norm(path + ".norm", kBlockNormEpsilon, mixed);
    const ValueId gate = linear(path + ".ffn.fc1_gate", d_.hidden_dim, d_.embed_dim, normalized);
    const ValueId main = linear(path + ".ffn.fc1_main", d_.hidden_dim, d_.embed_dim, normalized);
    const ValueId activated = network_.add(path + ".ffn.act", Gelu{}, {gate});
    const ValueId gated = network_.add(path + ".ffn", Multiply{}, {activated, main});
    const ValueId projected = linear(path + ".ffn.fc2", d_.embed_dim, d_.hidden_dim, gated);
    return network_.add(path, Add{}, {input, projected});
  }

  const Dimensions& d_;
  Network network_;
};

std::string variant_of(const Dimensions& d) {
  for (const Variant& variant : variants()) {
    const bool fits = variant.embed_dim == d.embed_dim && variant.depths == d.depths &&
                      variant.hidden_dim == d.hidden_dim &&
                      variant.large_kernel == d.large_kernel &&
                      (d.small_kernel == 0 || variant.small_kernel == d.small_kernel);
    if (fits) return variant.name;
  }
  return "custom";
}

}  // namespace

Network network_of(const Dimensions& d) {
  Network network = Describer(d).describe();
  Report::Network& facts = network.facts;
  facts.architecture = "AetherNet";
  facts.generation = kGeneration1.name;
  facts.model_type = variant_of(d);
  facts.scale = d.scale();
  facts.input_channels = d.channels;
  facts.embed_dim = d.embed_dim;
  facts.depths = d.depths;
  facts.hidden_dim = d.hidden_dim;
  facts.large_kernel = d.large_kernel;
  facts.small_kernel = d.small_kernel;
  facts.fused = d.fused;
  facts.norm_type = "layernorm";
  return network;
}

std::vector<std::int64_t> depths_of_variant(Dimensions d) {
  const std::int64_t blocks = std::accumulate(d.depths.begin(), d.depths.end(), std::int64_t{0});
  for (const Variant& variant : variants()) {
    if (std::accumulate(variant.depths.begin(), variant.depths.end(), std::int64_t{0}) != blocks) {
      continue;
    }
    d.depths = variant.depths;
    if (variant_of(d) == variant.name) return variant.depths;
  }
  return {};
}

namespace {

Network describe(const StateDict& state_dict) {
  Network network = network_of(Measurer(state_dict).measure());
  const Report::Network& facts = network.facts;
  std::vector<ExpectedTensor> expected;
  expected.reserve(network.parameters.size());
  for (const Parameter& parameter : network.parameters) {
    expected.push_back({parameter.name, parameter.shape});
  }
  check_strictly(
      state_dict, expected,
      fmt::format("an AetherNet of the first generation ({} x{}, embed_dim {}, depths {})",
                  facts.model_type, facts.scale, facts.embed_dim, join(facts.depths)));
  return network;
}

}  // namespace

const Generation kGeneration1 = {"G1", claims, describe, recognise_generation1};

const std::vector<std::string>& named_variants() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result;
    for (const Variant& variant : variants()) result.emplace_back(variant.name);
    return result;
  }();
  return names;
}

}  // namespace aether2onnx::network
