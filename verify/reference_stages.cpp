#include "reference_stages.h"

#include "base/error.h"

namespace aether2onnx::verify {

namespace {

bool has_layer_norm(const Weights& w) { return w.facts.norm_type == NormType::layernorm; }

// A layer of channel attention, of (N, C, 1, 1).
at::Tensor attention_layer(const Weights& w, const std::string& path, const at::Tensor& x,
                           const BlockKind& kind) {
  const at::Tensor& weight = w[path + ".weight"];
  const at::Tensor bias = kind.attention_bias ? w[path + ".bias"] : at::Tensor();
  if (!kind.linear_attention) return w.seen(at::conv2d(x, weight, bias));
  const at::Tensor y = w.seen(at::linear(x.flatten(1), weight, bias));
  return y.unsqueeze(2).unsqueeze(3);
}

at::Tensor channel_attention(const Weights& w, const std::string& path, const at::Tensor& x,
                             const BlockKind& kind) {
  const at::Tensor mean = w.seen(x.mean(at::IntArrayRef{2, 3}, true));
  const at::Tensor reduced = at::relu(attention_layer(w, path + ".fc.0", mean, kind));
  return w.seen(x * at::sigmoid(attention_layer(w, path + ".fc.2", reduced, kind)));
}

at::Tensor spatial_attention(const Weights& w, const std::string& path, const at::Tensor& x) {
  const at::Tensor most = std::get<0>(x.max(1, true));
  const at::Tensor mean = x.mean(at::IntArrayRef{1}, true);
  const at::Tensor& weight = w[path + ".conv.weight"];
  const at::Tensor map =
      w.seen(at::conv2d(at::cat({most, mean}, 1), weight, at::Tensor(), 1, weight.size(2) / 2));
  return w.seen(x * at::sigmoid(map));
}

at::Tensor feed_forward(const Weights& w, const std::string& path, const at::Tensor& x,
                        const BlockKind& kind) {
  const at::Tensor& weight = w[path + ".conv_gate.weight"];
  at::Tensor gate = at::conv2d(x, weight, w[path + ".conv_gate.bias"]);
  if (!kind.without_temperature) {
    const at::Tensor& temperature = w[path + ".temperature"];
    gate = kind.divides_by_temperature ? gate / temperature : gate * temperature;
  }
  w.seen(gate);
  gate = w.seen(kind.gelu ? at::gelu(gate, "none") : at::silu(gate));
  const at::Tensor product = w.seen(gate * conv(w, path + ".conv_main", x));
  return at::conv2d(product, w[path + ".conv_out.weight"], w[path + ".conv_out.bias"]);
}

at::Tensor block(const Weights& w, const std::string& path, const at::Tensor& x,
                 const BlockKind& kind) {
  at::Tensor y = kind.branch_biases
                     ? depthwise(w, path + ".conv", x, "lk_conv.bias", "sk_conv.bias")
                     : depthwise(w, path + ".conv", x);
  if (has_layer_norm(w)) w.seen(y);
  y = w.seen(normalized(w, path + ".norm", y));
  y = feed_forward(w, path + ".ffn", y, kind);
  const bool channel = w.has(path + ".channel_attn.fc.0.weight");
  const bool spatial = w.has(path + ".spatial_attn.conv.weight");
  // Without attention, the converter folds res_scale into the convolution's weights.
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
      "{} has {} channels. No pixel shuffle turns them into {}.", path, from, to);
}

}  // namespace

at::Tensor normalized(const Weights& w, const std::string& path, const at::Tensor& x) {
  const at::Tensor& weight = w[path + ".weight"];
  const at::Tensor& bias = w[path + ".bias"];
  if (has_layer_norm(w)) {
    const at::Tensor rows = x.permute({0, 2, 3, 1});
    return at::layer_norm(rows, weight.sizes(), weight, bias, 1e-5).permute({0, 3, 1, 2});
  }
  const auto of_channels = [](const at::Tensor& values) { return values.reshape({1, -1, 1, 1}); };
  at::Tensor y = x;
  if (const double norm_eps = w.facts.number("norm_eps", 0); norm_eps > 0) {
    const at::Tensor variance = of_channels(w[path + ".running_var"]);
    y = (y - of_channels(w[path + ".running_mean"])) / at::sqrt(variance + norm_eps);
  }
  return y * of_channels(weight) + of_channels(bias);
}

std::vector<at::Tensor> run_stages(const Weights& w, const at::Tensor& x, const BlockKind& kind,
                                   Trace& trace) {
  std::vector<at::Tensor> outputs;
  at::Tensor y = x;
  for (int stage = 0;; ++stage) {
    const std::string stage_path = "stages." + std::to_string(stage) + ".";
    if (!w.has(stage_path + "0.norm.weight")) break;
    for (int index = 0;; ++index) {
      const std::string path = stage_path + std::to_string(index);
      if (!w.has(path + ".norm.weight")) break;
      y = block(w, path, y, kind);
      trace.block(path, y);
    }
    outputs.push_back(y);
  }
  return outputs;
}

at::Tensor fusion_convs(const Weights& w, const std::vector<at::Tensor>& stages, Trace& trace) {
  std::vector<at::Tensor> parts;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const std::string path = "fusion_convs." + std::to_string(i);
    parts.push_back(conv(w, path, stages[i]));
    trace.block(path, parts.back());
  }
  return at::cat(parts, 1);
}

at::Tensor body_with_inner_norm(const Weights& w, const at::Tensor& fused,
                                const at::Tensor& shallow, Trace& trace) {
  const at::Tensor z = fused + shallow;
  trace.block("shortcut", z);
  const at::Tensor n = normalized(w, "norm", z);
  trace.block("norm", n);
  const at::Tensor r = conv(w, "conv_after_body", n);
  trace.block("conv_after_body", r);
  at::Tensor sum = r + z;
  trace.block("body_residual", sum);
  return sum;
}

at::Tensor upsample(const Weights& w, const std::vector<UpsampleStep>& steps, at::Tensor x,
                    Trace& trace) {
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const std::string next = i + 1 < steps.size() ? steps[i + 1].key : "conv_last";
    x = conv(w, steps[i].key, x);
    trace.block(steps[i].conv, x);
    const std::int64_t factor =
        shuffle_factor(steps[i].conv, x.size(1), w[next + ".weight"].size(1));
    if (factor == 1) continue;
    x = at::pixel_shuffle(x, factor);
    trace.block(steps[i].shuffle, x);
  }
  return x;
}

at::Tensor tail(const Weights& w, const at::Tensor& x, Trace& trace) {
  at::Tensor t = conv(w, "conv_before_upsample.0", x);
  trace.block("conv_before_upsample.0", t);
  t = at::leaky_relu(t, 0.01);
  trace.block("conv_before_upsample.1", t);
  std::vector<UpsampleStep> steps;
  for (int i = 0;; ++i) {
    const std::string path = "upsample.blocks." + std::to_string(2 * i);
    // One revision of the network put each convolution and its shuffle into one module.
    const std::string alias = "upsample.blocks." + std::to_string(i) + ".0";
    const std::string key = w.has(alias + ".weight") ? alias : path;
    if (!w.has(key + ".weight")) break;
    steps.push_back({key, path, "upsample.blocks." + std::to_string(2 * i + 1)});
  }
  return conv(w, "conv_last", upsample(w, steps, t, trace));
}

}  // namespace aether2onnx::verify
