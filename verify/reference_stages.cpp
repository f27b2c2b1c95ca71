#include "reference_stages.h"

#include "base/error.h"

namespace aether2onnx::verify {

namespace {

bool has_layer_norm(const Weights& w) { return w.facts.norm_type == NormType::layernorm; }

// Computes a layer of channel attention on an input (N, C, 1, 1).
Value attention_layer(const Weights& w, const std::string& path, const Value& x,
                      const BlockKind& kind) {
  const Value& weight = w[path + ".weight"];
  const Value bias = kind.attention_bias ? w[path + ".bias"] : Value();
  return w.seen(kind.linear_attention ? linear(x, weight, bias) : conv2d(x, weight, bias));
}

Value channel_attention(const Weights& w, const std::string& path, const Value& x,
                        const BlockKind& kind) {
  const Value mean = w.seen(mean_over_pixels(x));
  const Value reduced = relu(attention_layer(w, path + ".fc.0", mean, kind));
  return w.seen(x * sigmoid(attention_layer(w, path + ".fc.2", reduced, kind)));
}

Value spatial_attention(const Weights& w, const std::string& path, const Value& x) {
  const Value& weight = w[path + ".conv.weight"];
  const Value map = w.seen(
      conv2d(concatenate({largest_over_channels(x), mean_over_channels(x)}), weight, Value()));
  return w.seen(x * sigmoid(map));
}

Value feed_forward(const Weights& w, const std::string& path, const Value& x,
                   const BlockKind& kind) {
  const Value& weight = w[path + ".conv_gate.weight"];
  Value gate = conv2d(x, weight, w[path + ".conv_gate.bias"]);
  if (!kind.without_temperature) {
    const Value& temperature = w[path + ".temperature"];
    gate = kind.divides_by_temperature ? gate / temperature : gate * temperature;
  }
  w.seen(gate);
  gate = w.seen(kind.gelu ? gelu(gate) : silu(gate));
  const Value product = w.seen(gate * conv(w, path + ".conv_main", x));
  return conv2d(product, w[path + ".conv_out.weight"], w[path + ".conv_out.bias"]);
}

Value block(const Weights& w, const std::string& path, const Value& x, const BlockKind& kind) {
  Value y = kind.branch_biases ? depthwise(w, path + ".conv", x, "lk_conv.bias", "sk_conv.bias")
                               : depthwise(w, path + ".conv", x);
  if (has_layer_norm(w)) w.seen(y);
  y = w.seen(normalized(w, path + ".norm", y));
  y = feed_forward(w, path + ".ffn", y, kind);
  const bool channel = w.has(path + ".channel_attn.fc.0.weight");
  const bool spatial = w.has(path + ".spatial_attn.conv.weight");
  // Passes the output `y` of the layer conv_out to `w.trace`, which observes the forward pass, only
  // if the block has attention. In a model without attention, no node computes `y`: the converter
  // folds res_scale into the weights of conv_out, so conv_out computes res_scale * y.
  if (channel || spatial) w.seen(y);
  if (channel) y = channel_attention(w, path + ".channel_attn", y, kind);
  if (spatial) y = spatial_attention(w, path + ".spatial_attn", y);
  return x + w.seen(kind.res_scale * y);
}

std::int64_t shuffle_factor(const std::string& path, std::int64_t from, std::int64_t to) {
  for (std::int64_t factor = 1; factor * factor * to <= from; ++factor) {
    if (factor * factor * to == from) return factor;
  }
  fail(
      {ErrorKind::mismatch, "verify-shuffle", path, fmt::format("{}", to), fmt::format("{}", from)},
      "The layer {} returns {} channels. No pixel shuffle turns these into {} channels.", path,
      from, to);
}

}  // namespace

Value normalized(const Weights& w, const std::string& path, const Value& x) {
  const Value& weight = w[path + ".weight"];
  const Value& bias = w[path + ".bias"];
  if (has_layer_norm(w)) return layer_norm(x, weight, bias, 1e-5);
  Value y = x;
  if (const double norm_eps = w.facts.number("norm_eps", 0); norm_eps > 0) {
    const Value variance = of_channels(w[path + ".running_var"]);
    y = (y - of_channels(w[path + ".running_mean"])) / square_root(variance + norm_eps);
  }
  return y * of_channels(weight) + of_channels(bias);
}

std::vector<Value> run_stages(const Weights& w, const Value& x, const BlockKind& kind,
                              Trace& trace) {
  std::vector<Value> outputs;
  Value y = x;
  for (int stage = 0;; ++stage) {
    const std::string stage_path = "stages." + std::to_string(stage) + ".";
    if (!w.has(stage_path + "0.norm.weight")) break;
    for (int index = 0;; ++index) {
      const std::string path = stage_path + std::to_string(index);
      if (!w.has(path + ".norm.weight")) break;
      y = trace.block(path, block(w, path, y, kind));
    }
    outputs.push_back(y);
  }
  return outputs;
}

Value fusion_convs(const Weights& w, const std::vector<Value>& stages, Trace& trace) {
  std::vector<Value> parts;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const std::string path = "fusion_convs." + std::to_string(i);
    parts.push_back(trace.block(path, conv(w, path, stages[i])));
  }
  return concatenate(parts);
}

Value body_with_inner_norm(const Weights& w, const Value& fused, const Value& shallow,
                           Trace& trace) {
  const Value z = trace.block("shortcut", fused + shallow);
  const Value n = trace.block("norm", normalized(w, "norm", z));
  const Value r = trace.block("conv_after_body", conv(w, "conv_after_body", n));
  return trace.block("body_residual", r + z);
}

Value upsample(const Weights& w, const std::vector<UpsampleStep>& steps, Value x, Trace& trace) {
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const std::string next = i + 1 < steps.size() ? steps[i + 1].key : "conv_last";
    x = trace.block(steps[i].conv, conv(w, steps[i].key, x));
    const std::int64_t factor =
        shuffle_factor(steps[i].conv, x.size(1), w[next + ".weight"].size(1));
    if (factor == 1) continue;
    x = trace.block(steps[i].shuffle, pixel_shuffle(x, factor));
  }
  return x;
}

Value tail(const Weights& w, const Value& x, Trace& trace) {
  Value t = trace.block("conv_before_upsample.0", conv(w, "conv_before_upsample.0", x));
  t = trace.block("conv_before_upsample.1", leaky_relu(t, 0.01));
  std::vector<UpsampleStep> steps;
  for (int i = 0;; ++i) {
    const std::string path = "upsample.blocks." + std::to_string(2 * i);
    // In one revision of the network, a convolution and its pixel shuffle are in one module. The
    // key of the convolution is then "upsample.blocks.<i>.0" instead of "upsample.blocks.<2 * i>".
    const std::string alias = "upsample.blocks." + std::to_string(i) + ".0";
    const std::string key = w.has(alias + ".weight") ? alias : path;
    if (!w.has(key + ".weight")) break;
    steps.push_back({key, path, "upsample.blocks." + std::to_string(2 * i + 1)});
  }
  return conv(w, "conv_last", upsample(w, steps, t, trace));
}

}  // namespace aether2onnx::verify
