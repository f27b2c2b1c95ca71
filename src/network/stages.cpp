#include "network/stages.h"

#include <cmath>
#include <map>

#include "base/error.h"
#include "base/text.h"

namespace aether2onnx::network {

using state_dict::Entry;
using WhenFused = DeploymentNorm::WhenFused;

namespace {

constexpr const char* kBlocks = "stages.";
constexpr double kLayerNormEpsilon = 1e-5;
constexpr double kLeakySlope = 0.01;

const state_dict::Tensor* tensor_of(const View& view, std::string_view name) {
  const Entry* entry = view.find(name);
  return entry != nullptr && entry->tensor ? &*entry->tensor : nullptr;
}

std::string what_of(const std::string& generation) {
  return fmt::format("AetherNet of generation {}", generation);
}

}  // namespace

// --- keys -------------------------------------------------------------------------------------

StageKeys stage_keys(const View& view) {
  StageKeys keys;
  bool counts_batches = false;
  std::optional<std::size_t> temperature_rank;
  std::map<std::size_t, int> stages;
  for (const Entry* entry : view.entries()) {
    const std::string_view name = entry->name;
    keys.plain = keys.plain || name.starts_with("quant_fusion_layer.conv.") ||
                 name.starts_with("upsample.upsample.");
    const auto key = parse_block_key(name, kBlocks);
    if (!key) continue;
    ++stages[key->group];
    const std::string_view suffix = key->suffix;
    keys.is_stage_family = keys.is_stage_family || is_fused_key(suffix) || is_unfused_key(suffix) ||
                           suffix.starts_with("ffn.conv_gate.");
    counts_batches = counts_batches || suffix == "norm.num_batches_tracked";
    keys.has_statistics = keys.has_statistics || suffix.starts_with("norm.running_");
    if (!entry->tensor) continue;
    if (suffix == "ffn.temperature") temperature_rank = entry->tensor->shape.size();
    if (suffix == "channel_attn.fc.0.weight") keys.attention_rank = entry->tensor->shape.size();
  }
  keys.temperature_rank = temperature_rank.value_or(counts_batches ? 0 : 1);
  keys.stages = static_cast<std::int64_t>(dense_count(stages));
  if (const auto* first = tensor_of(view, "conv_first.weight"); first && !first->shape.empty()) {
    keys.embed_dim = first->shape[0];
  }
  const auto* fusion = tensor_of(view, "quant_fusion_layer.fusion_conv.weight");
  if (fusion == nullptr) fusion = tensor_of(view, "quant_fusion_layer.error_comp");
  if (fusion != nullptr && fusion->shape.size() > 1) keys.fusion_inputs = fusion->shape[1];
  keys.has_scale_tensor = view.has("scale_tensor");
  keys.has_scale = view.has("scale");
  return keys;
}

std::int64_t StageDimensions::scale() const {
  std::int64_t product = 1;
  for (const UpsampleConv& conv : upsampler) product *= conv.factor;
  return product;
}

// --- dimensions -------------------------------------------------------------------------------

namespace {

// Where the i-th convolution of the upsampler may be, the usual place first.
std::vector<std::string> upsample_paths(const StageRules& rules, std::size_t i) {
  if (!rules.plain_upsampler) {
    return {fmt::format("upsample.blocks.{}", 2 * i), fmt::format("upsample.blocks.{}.0", i)};
  }
  std::vector<std::string> paths = {fmt::format("upsample.upsample.up_{}.0", i)};
  if (i == 0) paths.emplace_back("upsample.upsample.up_3x.0");
  return paths;
}

class StageMeasurer {
 public:
  StageMeasurer(const View& view, const StageRules& rules, const std::string& what)
      : view_(view), rules_(rules), what_(what), measure_(view, kBlocks) {}

  StageDimensions run() {
    d_.depths = measure_.depths();
    d_.fused = measure_.fused();
    d_.embed_dim = measure_.size("conv_first.weight", 4, 0).value_or(0);
    if (d_.embed_dim == 0) {
      d_.embed_dim = measure_.size("conv_after_body.weight", 4, 0).value_or(0);
    }
    d_.channels = measure_.size("conv_first.weight", 4, 1).value_or(0);
    if (d_.channels == 0) d_.channels = measure_.size("conv_last.weight", 4, 0).value_or(0);
    d_.hidden_dim = measure_.block_size("ffn.conv_gate.weight", 4, 0);
    if (d_.hidden_dim == 0) d_.hidden_dim = measure_.block_size("ffn.conv_main.weight", 4, 0);
    d_.large_kernel =
        measure_.block_size(d_.fused ? "conv.fused_conv.weight" : "conv.lk_conv.weight", 4, 3);
    const Measure::FusedFrom noted = measure_.noted_fused_from(d_.large_kernel);
    d_.noted_norm_eps = noted.norm_eps;
    d_.small_kernel =
        d_.fused ? noted.small_kernel : measure_.block_size("conv.sk_conv.weight", 4, 3);
    measure_norms();
    measure_attention();
    measure_upsampler();
    check();
    return std::move(d_);
  }

 private:
  void measure_norms() {
    d_.has_statistics = view_.any_key(
        [](std::string_view name) { return name.find("norm.running_") != std::string_view::npos; });
    const std::size_t rank = measure_.block_rank("norm.weight").value_or(4);
    d_.layer_norm = rank == 1 && !(rules_.vector_statistics && d_.has_statistics);
  }

  void measure_attention() {
    const std::size_t rank = rules_.linear_attention ? 2 : 4;
    if (measure_.any_block_has("channel_attn.fc.0.weight") ||
        measure_.any_block_has("channel_attn.fc.2.weight")) {
      d_.attention_width = measure_.block_size("channel_attn.fc.0.weight", rank, 0);
      if (d_.attention_width == 0) {
        d_.attention_width = std::max<std::int64_t>(d_.embed_dim / 8, 1);
      }
    }
    if (measure_.any_block_has("spatial_attn.conv.weight")) {
      const std::int64_t kernel = measure_.block_size("spatial_attn.conv.weight", 4, 3);
      d_.attention_kernel = kernel % 2 == 1 ? kernel : 7;
    }
  }

  void measure_upsampler() {
    std::size_t count = rules_.plain_upsampler ? 0 : 1;
    std::vector<std::string> keys;
    for (std::size_t i = 0; i < kMostUpsamplers; ++i) {
      const std::vector<std::string> paths = upsample_paths(rules_, i);
      keys.push_back(paths.front());
      for (const std::string& path : paths) {
        if (!view_.has(path + ".weight") && !view_.has(path + ".bias")) continue;
        keys.back() = path;
        count = i + 1;
      }
    }
    d_.last_width = measure_.size("conv_last.weight", 4, 1).value_or(0);
    require_size(d_.last_width, "feature width", "conv_last.weight", what_);
    std::int64_t in = d_.embed_dim / rules_.head_divisor;
    for (std::size_t i = 0; i < count; ++i) {
      UpsampleConv conv;
      conv.path =
          keys[i].find("up_3x") == std::string::npos ? upsample_paths(rules_, i).front() : keys[i];
      conv.key = keys[i];
      conv.in = in;
      const std::int64_t next =
          i + 1 < count ? measure_.size(keys[i + 1] + ".weight", 4, 1).value_or(0) : d_.last_width;
      const std::int64_t width = next > 0 ? next : std::max<std::int64_t>(in / 2, 1);
      const std::int64_t out = measure_.size(keys[i] + ".weight", 4, 0).value_or(4 * width);
      conv.factor = 2;
      for (const std::int64_t factor : {1, 2, 3}) {
        if (out == factor * factor * width) conv.factor = factor;
      }
      conv.out = conv.factor * conv.factor * width;
      in = width;
      d_.upsampler.push_back(std::move(conv));
    }
  }

  void check() const {
    require_size(d_.embed_dim, "embed_dim", "conv_first.weight", what_);
    require_size(d_.channels, "number of channels", "conv_first.weight", what_);
    require_size(d_.hidden_dim, "hidden width", "stages.0.0.ffn.conv_gate.weight", what_);
    require_size(d_.large_kernel, "kernel size",
                 d_.fused ? "stages.0.0.conv.fused_conv.weight" : "stages.0.0.conv.lk_conv.weight",
                 what_);
    if (!d_.fused) {
      require_size(d_.small_kernel, "small kernel size", "stages.0.0.conv.sk_conv.weight", what_);
    }
    require_kernels(d_.large_kernel, d_.small_kernel);
    if (d_.embed_dim / rules_.head_divisor == 0) {
      fail(ErrorKind::mismatch, "the file is an {} with an embed_dim of {}, which is too narrow.",
           what_, d_.embed_dim);
    }
  }

  const View& view_;
  const StageRules& rules_;
  const std::string& what_;
  Measure measure_;
  StageDimensions d_;
};

// --- description ------------------------------------------------------------------------------

// What the tensors don't tell.
struct StageSettings {
  double res_scale = 1;
  double img_range = 1;
  double norm_eps = 0;  // 0: folded, or layer norms
  bool without_error_comp = false;
};

// Adds the modules of the forward pass, and with them the parameters in the order of the class.
class StageDescriber {
 public:
  // `view` tells which buffers there are; null for a graph, which has none.
  StageDescriber(const StageDimensions& dimensions, const StageRules& rules,
                 const StageSettings& settings, const View* view)
      : d_(dimensions), rules_(rules), settings_(settings), view_(view) {}

  NetworkWriter describe() {
    for (const char* name : {"scale", "scale_tensor", "pt_version", "model_version"}) {
      buffer_if_there(name);
    }
    mean_ = out_.parameter("mean", {1, d_.channels, 1, 1});
    const ValueId shallow = out_.conv("conv_first", d_.embed_dim, d_.channels, 3, enter());
    ValueId body = fusion(stages(shallow));
    if (rules_.norm_before_shortcut) {
      body = norm("norm", body);
      body = out_.add("shortcut", Add{}, {body, shallow});
      const ValueId after = out_.conv("conv_after_body", d_.embed_dim, d_.embed_dim, 3, body);
      body = out_.add("body_residual", Add{}, {after, body});
    } else {
      body = out_.add("shortcut", Add{}, {body, shallow});
      const ValueId normalized = norm("norm", body);
      const ValueId after = out_.conv("conv_after_body", d_.embed_dim, d_.embed_dim, 3, normalized);
      body = out_.add("body_residual", Add{}, {after, body});
    }
    leave(upsample(head(body)));
    return std::move(out_);
  }

 private:
  void buffer_if_there(const std::string& name) {
    if (view_ == nullptr) return;
    const state_dict::Tensor* tensor = tensor_of(*view_, name);
    if (tensor != nullptr) out_.buffer(name, tensor->shape);
  }

  ValueId range(const char* path, ValueId image, bool divide) {
    if (settings_.img_range == 1) return image;
    return out_.add(path, Scale{settings_.img_range, {}, divide}, {image});
  }

  ValueId enter() {
    ValueId image = 0;
    if (rules_.range_divides) image = range("img_range_in", image, true);
    image = out_.add("mean_sub", ChannelShift{mean_, true}, {image});
    if (!rules_.range_divides) image = range("img_range_in", image, false);
    return image;
  }

  void leave(ValueId features) {
    ValueId image = out_.conv("conv_last", d_.channels, d_.last_width, 3, features);
    if (!rules_.range_divides) image = range("img_range_out", image, true);
    image = out_.add("mean_add", ChannelShift{mean_, false}, {image});
    if (rules_.range_divides) range("img_range_out", image, false);
  }

  std::vector<ValueId> stages(ValueId features) {
    std::vector<ValueId> outputs;
    for (std::size_t stage = 0; stage < d_.depths.size(); ++stage) {
      for (std::int64_t i = 0; i < d_.depths[stage]; ++i) {
        features = block(fmt::format("{}{}.{}", kBlocks, stage, i), features);
      }
      outputs.push_back(features);
    }
    return outputs;
  }

  ValueId block(const std::string& path, ValueId input) {
    DepthwiseLayout layout{d_.embed_dim, d_.large_kernel, d_.small_kernel, d_.fused};
    if (rules_.conv_biases) {
      layout.large_bias = "lk_conv.bias";
      layout.small_bias = "sk_conv.bias";
    }
    ValueId value = out_.depthwise(path + ".conv", layout, input);
    value = norm(path + ".norm", value);
    value = feed_forward(path + ".ffn", value);
    if (d_.attention_width > 0) value = channel_attention(path + ".channel_attn", value);
    if (d_.attention_kernel > 0) value = spatial_attention(path + ".spatial_attn", value);
    if (settings_.res_scale != 1) {
      value = out_.add(path + ".res_scale", Scale{settings_.res_scale, {}, false}, {value});
    }
    return out_.add(path, Add{}, {input, value});
  }

  ValueId feed_forward(const std::string& path, ValueId input) {
    const std::vector<std::int64_t> rank =
        rules_.temperature_divides ? std::vector<std::int64_t>{} : std::vector<std::int64_t>{1};
    const ParameterId temperature = out_.parameter(path + ".temperature", rank);
    ValueId gate = out_.conv(path + ".conv_gate", d_.hidden_dim, d_.embed_dim, 1, input);
    gate = out_.add(path + ".tempered", Scale{1, temperature, rules_.temperature_divides}, {gate});
    const ValueId main = out_.conv(path + ".conv_main", d_.hidden_dim, d_.embed_dim, 1, input);
    gate = rules_.gelu ? out_.add(path + ".act", Gelu{}, {gate})
                       : out_.add(path + ".act", Silu{}, {gate});
    const ValueId gated = out_.add(path, Multiply{}, {gate, main});
    return out_.conv(path + ".conv_out", d_.embed_dim, d_.hidden_dim, 1, gated);
  }

  ValueId channel_attention(const std::string& path, ValueId input) {
    const std::int64_t width = d_.attention_width;
    ChannelAttention attention;
    attention.reduce_path = path + ".fc.0";
    attention.expand_path = path + ".fc.2";
    const auto weight = [&](const std::string& layer, std::int64_t out, std::int64_t in) {
      std::vector<std::int64_t> shape = {out, in};
      if (!rules_.linear_attention) shape.insert(shape.end(), {1, 1});
      return out_.parameter(layer + ".weight", shape);
    };
    attention.reduce_weight = weight(attention.reduce_path, width, d_.embed_dim);
    if (rules_.attention_bias) {
      attention.reduce_bias = out_.parameter(attention.reduce_path + ".bias", {width});
    }
    attention.expand_weight = weight(attention.expand_path, d_.embed_dim, width);
    if (rules_.attention_bias) {
      attention.expand_bias = out_.parameter(attention.expand_path + ".bias", {d_.embed_dim});
    }
    return out_.add(path, attention, {input});
  }

  ValueId spatial_attention(const std::string& path, ValueId input) {
    const std::int64_t kernel = d_.attention_kernel;
    SpatialAttention attention;
    attention.conv_path = path + ".conv";
    attention.kernel = kernel;
    attention.weight = out_.parameter(attention.conv_path + ".weight", {1, 2, kernel, kernel});
    return out_.add(path, attention, {input});
  }

  ValueId norm(const std::string& path, ValueId input) {
    if (d_.layer_norm) return out_.layer_norm(path, d_.embed_dim, kLayerNormEpsilon, input);
    const std::int64_t channels = d_.embed_dim;
    const std::vector<std::int64_t> shape = rules_.vector_statistics
                                                ? std::vector<std::int64_t>{channels}
                                                : std::vector<std::int64_t>{1, channels, 1, 1};
    const ParameterId weight = out_.parameter(path + ".weight", shape);
    const ParameterId bias = out_.parameter(path + ".bias", shape);
    if (settings_.norm_eps == 0) {
      buffer_if_there(path + ".running_mean");
      buffer_if_there(path + ".running_var");
      buffer_if_there(path + ".num_batches_tracked");
      return out_.add(path, ChannelAffine{weight, bias}, {input});
    }
    DeploymentNorm norm{weight, bias, 0, 0, settings_.norm_eps, rules_.norms_when_fused};
    norm.running_mean = out_.parameter(path + ".running_mean", shape);
    norm.running_var = out_.parameter(path + ".running_var", shape);
    buffer_if_there(path + ".num_batches_tracked");
    return out_.add(path, norm, {input});
  }

  // How many channels the projection of a stage makes.
  std::int64_t split(std::size_t stage) const {
    const auto count = static_cast<std::int64_t>(d_.depths.size());
    const bool one_more =
        rules_.uneven_split && static_cast<std::int64_t>(stage) < d_.embed_dim % count;
    return d_.embed_dim / count + (one_more ? 1 : 0);
  }

  ValueId fusion(const std::vector<ValueId>& outputs) {
    const auto count = static_cast<std::int64_t>(outputs.size());
    std::vector<ValueId> parts;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const std::string path = fmt::format("fusion_convs.{}", i);
      if (rules_.raw_fusion) {
        out_.buffer(path + ".weight", {split(i), d_.embed_dim, 1, 1});
        out_.buffer(path + ".bias", {split(i)});
        parts.push_back(outputs[i]);
      } else {
        parts.push_back(out_.conv(path, split(i), d_.embed_dim, 1, outputs[i]));
      }
    }
    const std::string path = "quant_fusion_layer";
    const std::int64_t inputs = rules_.raw_fusion ? d_.embed_dim * count : d_.embed_dim;
    const std::vector<std::int64_t> shape = {1, rules_.error_comp_first ? inputs : d_.embed_dim, 1,
                                             1};
    const ParameterId error_comp = out_.parameter(path + ".error_comp", shape);
    if (settings_.without_error_comp) {
      out_.set_value(error_comp, Expression::of(Expression::Kind::multiply,
                                                Expression::stored(path + ".error_comp"),
                                                Expression::constant(0)));
    }
    ValueId value = out_.add(path + ".concat", Concat{}, parts);
    const auto compensate = [&] {
      value = out_.add(path, ChannelShift{error_comp, false}, {value});
    };
    if (rules_.error_comp_first) compensate();
    value =
        out_.conv(fmt::format("{}.{}", path, rules_.fusion_conv), d_.embed_dim, inputs, 1, value);
    if (!rules_.error_comp_first) compensate();
    return value;
  }

  ValueId head(ValueId body) {
    const std::int64_t width = d_.embed_dim / rules_.head_divisor;
    if (!rules_.leaky_head) return out_.conv("conv_before_upsample", width, d_.embed_dim, 3, body);
    body = out_.conv("conv_before_upsample.0", width, d_.embed_dim, 3, body);
    return out_.add("conv_before_upsample.1", LeakyRelu{kLeakySlope}, {body});
  }

  ValueId upsample(ValueId features) {
    for (std::size_t i = 0; i < d_.upsampler.size(); ++i) {
      const UpsampleConv& conv = d_.upsampler[i];
      features = out_.conv_at(conv.path, conv.key, conv.out, conv.in, 3, features);
      if (conv.factor == 1) continue;
      const std::string shuffle = rules_.plain_upsampler
                                      ? conv.path.substr(0, conv.path.size() - 1) + "1"
                                      : fmt::format("upsample.blocks.{}", 2 * i + 1);
      features = out_.add(shuffle, PixelShuffle{conv.factor}, {features});
    }
    return features;
  }

  const StageDimensions& d_;
  const StageRules& rules_;
  const StageSettings& settings_;
  const View* view_;
  ParameterId mean_ = 0;
  NetworkWriter out_;
};

NetworkInfo facts_of(const StageDimensions& d, std::span<const Variant> variants,
                     const std::string& generation) {
  NetworkInfo facts;
  facts.architecture = "AetherNet";
  facts.generation = generation;
  facts.scale = d.scale();
  facts.input_channels = d.channels;
  facts.embed_dim = d.embed_dim;
  facts.depths = d.depths;
  facts.hidden_dim = d.hidden_dim;
  facts.large_kernel = d.large_kernel;
  facts.small_kernel = d.small_kernel;
  facts.fused = d.fused;
  facts.norm_type = d.layer_norm ? NormType::layernorm : NormType::deployment;
  if (d.attention_width > 0) facts.features.insert("channel_attention");
  if (d.attention_kernel > 0) facts.features.insert("spatial_attention");
  facts.model_type = variant_of(variants, facts);
  return facts;
}

// --- what the tensors don't tell --------------------------------------------------------------

// Whether the statistics of deployment norms are in weight and bias already, and by what it is
// told.
std::pair<bool, std::string> norms_are_folded(const View& view, const StageDimensions& d,
                                              WhenFused when_fused) {
  switch (when_fused) {
    case WhenFused::kept:
      return {false, "the generation never folds them"};
    case WhenFused::folded_without_statistics:
      return {!d.has_statistics, d.has_statistics ? "running_mean and running_var are there"
                                                  : "no running_mean and running_var are left"};
    case WhenFused::folded_with_statistics:
      break;
  }
  const std::string* built_fused = view.arch_config("fused_init");
  if (d.fused && built_fused != nullptr && *built_fused == "True") {
    return {false, "arch_config has fused_init: built fused, and never folded"};
  }
  return {d.fused, d.fused ? "the convolutions are fused, and norms with them"
                           : "the convolutions aren't fused, nor are norms"};
}

StageSettings settle(const View& view, const ReadOptions& options,
                     const StageGeneration& generation, const StageDimensions& d,
                     NetworkInfo& facts, std::vector<std::string>& warnings) {
  StageSettings settings;
  settings.without_error_comp = generation.without_error_comp;
  add_evidence(facts, "generation", generation.name, generation.because, generation.certain);
  if (generation.res_scale) {
    const Decided res_scale = decide_res_scale(view, options, *generation.res_scale, warnings);
    settings.res_scale = res_scale.value;
    add_evidence(facts, "res_scale", res_scale);
  } else {
    refuse_res_scale(options, generation.name);
  }
  if (d.layer_norm) {
    refuse_norm_eps(options, "the checkpoint's normalizations have no stored statistics");
  } else {
    const auto [folded, because] = norms_are_folded(view, d, generation.rules.norms_when_fused);
    add_evidence(facts, "norms", folded ? "folded" : "with statistics", because);
    if (folded) {
      refuse_norm_eps(options, "the checkpoint's norms are folded into weight and bias already");
    } else {
      const Decided eps =
          options.norm_eps ? Decided{*options.norm_eps, "--norm_eps"} : generation.norm_eps;
      settings.norm_eps = eps.value;
      add_evidence(facts, "norm_eps", eps);
    }
  }
  const Decided img_range = decide_img_range(view, options, warnings);
  settings.img_range = img_range.value;
  add_evidence(facts, "img_range", img_range);
  if (generation.without_error_comp) {
    add_evidence(facts, "error_comp", "left out", "the network in int8 doesn't use it");
  }
  if (view.dropped() > 0) {
    add_evidence(facts, "quantization", std::string(to_string(view.quantization())),
                 fmt::format("{} entries of fake-quant, observers and activation scales left out",
                             view.dropped()));
  }
  if (generation.res_scale) facts.numbers["res_scale"] = settings.res_scale;
  facts.numbers["img_range"] = settings.img_range;
  if (settings.norm_eps > 0) {
    facts.numbers["norm_eps"] = settings.norm_eps;
  } else if (d.noted_norm_eps > 0) {
    facts.numbers["folded_norm_eps"] = d.noted_norm_eps;
  }
  return settings;
}

}  // namespace

Network describe_stages(const View& view, const ReadOptions& options,
                        const StageGeneration& generation) {
  const std::string what = what_of(generation.name);
  const StageDimensions d = StageMeasurer(view, generation.rules, what).run();
  NetworkInfo facts = facts_of(d, generation.variants, generation.name);
  std::vector<std::string> warnings;
  const StageSettings settings = settle(view, options, generation, d, facts, warnings);
  NetworkWriter writer = StageDescriber(d, generation.rules, settings, &view).describe();
  writer.check_strictly(
      view, fmt::format("an {} ({} x{}, embed_dim {}, depths {})", what, facts.model_type,
                        facts.scale, facts.embed_dim, join(facts.depths)));
  const auto stages = static_cast<std::int64_t>(d.depths.size());
  if (!generation.rules.uneven_split && !generation.rules.raw_fusion && d.embed_dim % stages != 0) {
    fail(ErrorKind::unsupported,
         "the file is an {} with an embed_dim of {} and {} stages: its projections don't add up to "
         "{} channels, so it can't run in PyTorch either.",
         what, d.embed_dim, stages, d.embed_dim);
  }
  const std::vector<std::string> contradicting = contradictions(view, facts);
  warnings.insert(warnings.end(), contradicting.begin(), contradicting.end());
  facts.quantization = view.quantization();
  Network network = writer.take();
  network.facts = std::move(facts);
  network.warnings = std::move(warnings);
  return network;
}

Decided res_scale_of_presets(std::int64_t embed_dim) {
  constexpr std::int64_t narrow = 64;
  const bool is_narrow = embed_dim <= narrow;
  return {is_narrow ? 0.2 : 0.1,
          fmt::format("the file doesn't say; presets of embed_dim {} have it",
                      is_narrow ? "64 and below" : "above 64"),
          false};
}

std::optional<std::pair<std::string, std::string>> named_generation(
    const View& view, const ReadOptions& options, std::span<const char* const> names) {
  const auto is_one = [&](const std::string& text) {
    return std::any_of(names.begin(), names.end(), [&](const char* name) { return text == name; });
  };
  if (options.generation && is_one(*options.generation)) {
    return std::pair{*options.generation, std::string("--generation")};
  }
  const std::string* note = view.note("generation");
  if (note != nullptr && is_one(*note)) {
    return std::pair{*note, std::string("the note of the fused checkpoint")};
  }
  return std::nullopt;
}

Network stage_network_of(const StageDimensions& dimensions, const StageRules& rules,
                         std::span<const Variant> variants, const std::string& generation) {
  const StageSettings settings;
  Network network = StageDescriber(dimensions, rules, settings, nullptr).describe().take();
  network.facts = facts_of(dimensions, variants, generation);
  return network;
}

}  // namespace aether2onnx::network
