#include "network/stages.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/text.h"
#include "network/keys.h"
#include "network/notes.h"

namespace aether2onnx::network {

using state_dict::Entry;

namespace {

constexpr const char* kBlocks = "stages.";
constexpr const char* kFusion = "quant_fusion_layer";
constexpr double kLayerNormEpsilon = 1e-5;
constexpr double kLeakySlope = 0.01;

std::vector<std::int64_t> shape_of(const FloatStateDict& file, std::string_view name) {
  const Entry* entry = file.find(name);
  return entry != nullptr && entry->tensor ? entry->tensor->shape : std::vector<std::int64_t>{};
}

}  // namespace

// --- recognising the generation -----------------------------------------------------------------

StageKeys stage_keys(const FloatStateDict& file) {
  StageKeys keys;
  bool counts_batches = false;
  std::optional<std::size_t> temperature_rank;
  std::map<std::size_t, int> stages;
  for (const Entry* entry : file.entries()) {
    const std::string_view name = entry->name;
    keys.plain = keys.plain || name.starts_with("quant_fusion_layer.conv.") ||
                 name.starts_with("upsample.upsample.");
    const auto key = parse_block_key(name, kBlocks);
    if (!key) continue;
    ++stages[key->group];
    const std::string_view suffix = key->suffix;
    keys.has_stages = keys.has_stages || is_fused_key(suffix) || is_unfused_key(suffix) ||
                      suffix.starts_with("ffn.conv_gate.");
    counts_batches = counts_batches || suffix == "norm.num_batches_tracked";
    keys.has_statistics = keys.has_statistics || suffix.starts_with("norm.running_");
    if (!entry->tensor) continue;
    if (suffix == "ffn.temperature") temperature_rank = entry->tensor->shape.size();
    if (suffix == "channel_attn.fc.0.weight") keys.attention_rank = entry->tensor->shape.size();
  }
  keys.temperature_rank = temperature_rank.value_or(counts_batches ? 0 : 1);
  keys.stages = static_cast<std::int64_t>(dense_count(stages));
  const auto first = shape_of(file, "conv_first.weight");
  if (!first.empty()) keys.embed_dim = first[0];
  auto fusion = shape_of(file, "quant_fusion_layer.fusion_conv.weight");
  if (fusion.empty()) fusion = shape_of(file, "quant_fusion_layer.error_comp");
  if (fusion.size() > 1) keys.fusion_inputs = fusion[1];
  keys.has_scale_tensor = file.has("scale_tensor");
  keys.has_scale = file.has("scale");
  return keys;
}

std::optional<NamedGeneration> named_generation(const FloatStateDict& file,
                                                const ReadOptions& options,
                                                std::span<const char* const> names) {
  const auto is_one = [&](const std::string& text) {
    return std::any_of(names.begin(), names.end(), [&](const char* name) { return text == name; });
  };
  if (options.generation && is_one(*options.generation)) {
    return NamedGeneration{*options.generation, option("generation"), true};
  }
  const std::string* note = file.note(kGenerationNote);
  if (note != nullptr && is_one(*note)) {
    const bool assumed = was_assumed(file, "generation");
    return NamedGeneration{*note,
                           assumed
                               ? "the note that the command fuse wrote into the checkpoint says "
                                 "that the original checkpoint did not show its generation"
                               : "the note that the command fuse wrote into the checkpoint",
                           !assumed};
  }
  return std::nullopt;
}

Decided res_scale_of_presets(std::int64_t embed_dim) {
  constexpr std::int64_t narrow = 64;
  const bool is_narrow = embed_dim <= narrow;
  return {is_narrow ? 0.2 : 0.1,
          fmt::format("the file does not contain the value; published networks with an embed_dim "
                      "{} have this value",
                      is_narrow ? "of 64 and below" : "above 64"),
          false};
}

void require_even_stages(const StageKeys& keys, const char* generation) {
  if (keys.stages == 0 || keys.embed_dim % keys.stages == 0) return;
  fail({ErrorKind::unsupported, "network-cannot-run", generation},
       "the file is an AetherNet of generation {0} with an embed_dim of {1} and {2} stages. The "
       "projections of the stages do not add up to {1} channels, so the network cannot run in "
       "PyTorch either.\nGive another checkpoint.",
       generation, keys.embed_dim, keys.stages);
}

// --- reading the dimensions ---------------------------------------------------------------------

namespace {

std::vector<std::string> upsample_paths(std::size_t i) {
  return {fmt::format("upsample.blocks.{}", 2 * i), fmt::format("upsample.blocks.{}.0", i)};
}

void measure_upsampler(const FloatStateDict& file, const Measure& measure, UpsamplePaths paths,
                       std::size_t least, Dimensions& d) {
  for (std::size_t i = 0; i < kMostUpsamplers; ++i) {
    const std::vector<std::string> places = paths(i);
    const auto there = std::find_if(places.begin(), places.end(), [&](const std::string& path) {
      return file.has(path + ".weight") || file.has(path + ".bias");
    });
    if (there == places.end() && i >= least) continue;
    // If the file lacks convolutions of the upsampler with an index below i, adds these
    // convolutions to `d` first. NetworkWriter::check_strictly() then reports the keys of these
    // convolutions as missing.
    while (d.upsampler.size() < i) d.upsampler.push_back({paths(d.upsampler.size()).front()});
    d.upsampler.push_back({there == places.end() ? places.front() : *there});
  }
  for (std::size_t i = 0; i < d.upsampler.size(); ++i) {
    UpsampleConv& conv = d.upsampler[i];
    conv.width = d.last_width;
    if (i + 1 < d.upsampler.size()) {
      conv.width = measure.size(d.upsampler[i + 1].key + ".weight", 4, 1).value_or(0);
      if (conv.width == 0) conv.width = std::max<std::int64_t>(d.embed_dim / 2, 1);
    }
    const auto out = measure.size(conv.key + ".weight", 4, 0);
    conv.factor = 2;
    for (const std::int64_t factor : {1, 3}) {
      if (out && *out == factor * factor * conv.width) conv.factor = factor;
    }
  }
}

}  // namespace

Dimensions measure_stages(const FloatStateDict& file, const std::string& what) {
  return measure_stages(file, what, upsample_paths, 1);
}

Dimensions measure_stages(const FloatStateDict& file, const std::string& what, UpsamplePaths paths,
                          std::size_t least) {
  const Measure measure(file, kBlocks, what);
  Dimensions d = measure.blocks("ffn.conv_gate.weight", "ffn.conv_main.weight", 4);
  d.has_statistics = file.any_key(
      [](std::string_view name) { return name.find("norm.running_") != std::string_view::npos; });
  d.layer_norm = measure.block_rank("norm.weight") == 1U && !d.has_statistics;
  if (measure.any_block_has("channel_attn.fc.0.weight") ||
      measure.any_block_has("channel_attn.fc.2.weight")) {
    const std::size_t rank = measure.block_rank("channel_attn.fc.0.weight").value_or(4);
    d.attention_width = measure.block_size("channel_attn.fc.0.weight", rank, 0);
    if (d.attention_width == 0) d.attention_width = std::max<std::int64_t>(d.embed_dim / 8, 1);
  }
  if (measure.any_block_has("spatial_attn.conv.weight")) {
    const std::int64_t kernel = measure.block_size("spatial_attn.conv.weight", 4, 3);
    d.attention_kernel = kernel % 2 == 1 ? kernel : 7;
  }
  d.last_width = measure.size("conv_last.weight", 4, 1).value_or(0);
  measure.require_size(d.last_width, "feature width", "conv_last.weight");
  measure_upsampler(file, measure, paths, least, d);
  return d;
}

// --- parts of the forward pass ------------------------------------------------------------------

ParameterId image_mean(NetworkWriter& net) {
  for (const char* name : {"scale", "scale_tensor", "pt_version", "model_version"}) {
    net.buffer_if_there(name);
  }
  return net.parameter("mean", {1, net.d.channels, 1, 1});
}

ValueId enter(NetworkWriter& net, ParameterId mean) {
  ValueId x = net.add("mean_sub", ChannelShift{mean, true}, {kImage});
  x = net.multiply_by_range("img_range_in", x);
  return net.conv("conv_first", net.d.embed_dim, net.d.channels, 3, x);
}

void leave(NetworkWriter& net, ParameterId mean, ValueId features) {
  ValueId x = net.conv("conv_last", net.d.channels, net.d.last_width, 3, features);
  x = net.divide_by_range("img_range_out", x);
  net.add("mean_add", ChannelShift{mean, false}, {x});
}

ValueId norm(NetworkWriter& net, const BlockKind& kind, const std::string& path, ValueId input) {
  if (net.d.layer_norm) return net.layer_norm(path, kLayerNormEpsilon, input);
  const std::int64_t channels = net.d.embed_dim;
  std::vector<std::int64_t> shape = {1, channels, 1, 1};
  if (kind.vector_norms) shape = {channels};
  const ParameterId weight = net.parameter(path + ".weight", shape);
  const ParameterId bias = net.parameter(path + ".bias", shape);
  const double epsilon = net.settings.norm_eps;
  if (epsilon == 0) {  // Weight and bias contain the statistics already.
    net.buffer_if_there(path + ".running_mean");
    net.buffer_if_there(path + ".running_var");
    net.buffer_if_there(path + ".num_batches_tracked");
    return net.add(path, ChannelAffine{weight, bias}, {input});
  }
  DeploymentNorm norm{weight, bias, 0, 0, epsilon, net.settings.norms_when_fused};
  norm.running_mean = net.parameter(path + ".running_mean", shape);
  norm.running_var = net.parameter(path + ".running_var", shape);
  net.buffer_if_there(path + ".num_batches_tracked");
  return net.add(path, norm, {input});
}

namespace {

ValueId feed_forward(NetworkWriter& net, const BlockKind& kind, const std::string& path,
                     ValueId input) {
  const std::int64_t width = net.d.embed_dim;
  const std::int64_t hidden = net.d.hidden_dim;
  std::vector<std::int64_t> rank = {1};
  if (kind.temperature_divides) rank = {};
  std::optional<ParameterId> temperature;
  if (net.settings.without_temperature) {
    net.buffer(path + ".temperature", rank);
  } else {
    temperature = net.parameter(path + ".temperature", rank);
  }
  ValueId gate = net.conv(path + ".conv_gate", hidden, width, 1, input);
  if (temperature) {
    gate = net.add(path + ".tempered", Scale{1, temperature, kind.temperature_divides}, {gate});
  }
  const ValueId main = net.conv(path + ".conv_main", hidden, width, 1, input);
  gate = net.add(path + ".act", kind.gelu ? Operation(Gelu{}) : Operation(Silu{}), {gate});
  const ValueId gated = net.add(path, Multiply{}, {gate, main});
  return net.conv(path + ".conv_out", width, hidden, 1, gated);
}

ValueId channel_attention(NetworkWriter& net, const BlockKind& kind, const std::string& path,
                          ValueId input) {
  const std::int64_t width = net.d.embed_dim;
  const std::int64_t middle = net.d.attention_width;
  ChannelAttention attention;
  attention.reduce_path = path + ".fc.0";
  attention.expand_path = path + ".fc.2";
  const auto layer = [&](const std::string& at, std::int64_t out, std::int64_t in,
                         std::optional<ParameterId>& bias) {
    std::vector<std::int64_t> shape = {out, in};
    if (!kind.linear_attention) shape.insert(shape.end(), {1, 1});
    const ParameterId weight = net.parameter(at + ".weight", shape);
    if (kind.attention_bias) {
      bias = net.parameter(at + ".bias", {out});
    } else {
      net.no_bias(at, out);
    }
    return weight;
  };
  attention.reduce_weight = layer(attention.reduce_path, middle, width, attention.reduce_bias);
  attention.expand_weight = layer(attention.expand_path, width, middle, attention.expand_bias);
  return net.add(path, attention, {input});
}

ValueId spatial_attention(NetworkWriter& net, const std::string& path, ValueId input) {
  const std::int64_t kernel = net.d.attention_kernel;
  SpatialAttention attention;
  attention.conv_path = path + ".conv";
  attention.kernel = kernel;
  attention.weight = net.parameter(attention.conv_path + ".weight", {1, 2, kernel, kernel});
  net.no_bias(attention.conv_path, 1);
  return net.add(path, attention, {input});
}

ValueId block(NetworkWriter& net, const BlockKind& kind, const std::string& path, ValueId input) {
  ValueId x = kind.branch_biases
                  ? net.depthwise(path + ".conv", input, "lk_conv.bias", "sk_conv.bias")
                  : net.depthwise(path + ".conv", input);
  x = norm(net, kind, path + ".norm", x);
  x = feed_forward(net, kind, path + ".ffn", x);
  if (net.d.attention_width > 0) x = channel_attention(net, kind, path + ".channel_attn", x);
  if (net.d.attention_kernel > 0) x = spatial_attention(net, path + ".spatial_attn", x);
  const double res_scale = net.settings.res_scale;
  if (res_scale != 1) x = net.add(path + ".res_scale", Scale{res_scale, {}, false}, {x});
  return net.add(path, Add{}, {input, x});
}

}  // namespace

std::vector<ValueId> run_stages(NetworkWriter& net, const BlockKind& kind, ValueId shallow) {
  std::vector<ValueId> outputs;
  ValueId x = shallow;
  for (std::size_t stage = 0; stage < net.d.depths.size(); ++stage) {
    for (std::int64_t i = 0; i < net.d.depths[stage]; ++i) {
      x = block(net, kind, fmt::format("{}{}.{}", kBlocks, stage, i), x);
    }
    outputs.push_back(x);
  }
  return outputs;
}

std::vector<ValueId> fusion_convs(NetworkWriter& net, const std::vector<ValueId>& outputs,
                                  bool uneven) {
  const std::int64_t width = net.d.embed_dim;
  const auto count = static_cast<std::int64_t>(outputs.size());
  std::vector<ValueId> parts;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t out = width / count + (uneven && i < width % count ? 1 : 0);
    parts.push_back(net.conv(fmt::format("fusion_convs.{}", i), out, width, 1,
                             outputs[static_cast<std::size_t>(i)]));
  }
  return parts;
}

namespace {

ParameterId error_comp(NetworkWriter& net, std::int64_t channels) {
  const std::string key = fmt::format("{}.error_comp", kFusion);
  const ParameterId parameter = net.parameter(key, {1, channels, 1, 1});
  if (net.settings.without_error_comp) {
    net.set_value(parameter, Expression::of(Expression::Kind::multiply, Expression::stored(key),
                                            Expression::constant(0)));
  }
  return parameter;
}

ValueId concat(NetworkWriter& net, const std::vector<ValueId>& parts) {
  return net.add(fmt::format("{}.concat", kFusion), Concat{}, parts);
}

}  // namespace

ValueId compensate_and_fuse(NetworkWriter& net, const std::vector<ValueId>& parts,
                            std::int64_t channels) {
  const ParameterId compensation = error_comp(net, channels);
  const ValueId x = net.add(kFusion, ChannelShift{compensation, false}, {concat(net, parts)});
  return net.conv(fmt::format("{}.fusion_conv", kFusion), net.d.embed_dim, channels, 1, x);
}

ValueId fuse_and_compensate(NetworkWriter& net, const std::vector<ValueId>& parts,
                            const char* conv) {
  const std::int64_t width = net.d.embed_dim;
  const ParameterId compensation = error_comp(net, width);
  const ValueId x =
      net.conv(fmt::format("{}.{}", kFusion, conv), width, width, 1, concat(net, parts));
  return net.add(kFusion, ChannelShift{compensation, false}, {x});
}

ValueId body_with_inner_norm(NetworkWriter& net, const BlockKind& kind, ValueId fused,
                             ValueId shallow) {
  const std::int64_t width = net.d.embed_dim;
  const ValueId x = net.add("shortcut", Add{}, {fused, shallow});
  const ValueId after = net.conv("conv_after_body", width, width, 3, norm(net, kind, "norm", x));
  return net.add("body_residual", Add{}, {after, x});
}

ValueId upsample(NetworkWriter& net, std::int64_t width, ValueId body) {
  width = std::max<std::int64_t>(width, 1);
  ValueId x = net.conv("conv_before_upsample.0", width, net.d.embed_dim, 3, body);
  x = net.add("conv_before_upsample.1", LeakyRelu{kLeakySlope}, {x});
  for (std::size_t i = 0; i < net.d.upsampler.size(); ++i) {
    const UpsampleConv& conv = net.d.upsampler[i];
    x = net.conv_at(fmt::format("upsample.blocks.{}", 2 * i), conv.key,
                    conv.width * conv.factor * conv.factor, width, 3, x);
    width = conv.width;
    if (conv.factor == 1) continue;
    x = net.add(fmt::format("upsample.blocks.{}", 2 * i + 1), PixelShuffle{conv.factor}, {x});
  }
  return x;
}

}  // namespace aether2onnx::network
