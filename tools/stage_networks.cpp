#include "stage_networks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <stdexcept>

#include "sample_networks.h"

namespace aether2onnx::tools {

namespace {

enum class Buffers {
  none,
  running,              // running_mean, running_var
  running_and_batches,  // running_mean, running_var, num_batches_tracked
};

enum class Split {
  even,    // embed_dim / stages channels from each stage; the remainder is lost
  uneven,  // the first stages give one more channel, so that the sum is embed_dim
};

// The differences between the classes of the generations.
struct Generation {
  const char* name;
  const char* scale_buffer = "";             // "" if there is none
  std::array<double, 3> model_version = {};  // 0: no model_version, no pt_version
  Buffers buffers = Buffers::running;        // the buffers of deployment norms
  bool layer_norm = false;                   // whether LayerNorm2d is an option
  bool scalar_temperature = false;           // temperature has rank 0, else (1)
  bool linear_attention = false;             // in channel attention; else 1 x 1 convolutions
  bool attention_bias = false;               // channel attention has biases
  Split split = Split::uneven;
  bool concatenates_stages = false;  // fusion_conv gets the channels of all stages
  double epsilon = 1e-5;
  bool keeps_statistics = true;  // whether fusion keeps the statistics of norms
};

constexpr std::array<double, 3> kNoVersion = {};
constexpr std::array<double, 3> k310 = {3, 1, 0};
constexpr std::array<double, 3> k311 = {3, 1, 1};

const Generation& find_generation(const std::string& name) {
  static const std::vector<Generation> table = {
      {"G2", "", kNoVersion, Buffers::none, false, true, true, true, Split::even, true},
      {"G3", "", kNoVersion, Buffers::running_and_batches, false, true, true, true, Split::even,
       true},
      {"G4", "", kNoVersion, Buffers::running_and_batches, false, true, false, true, Split::even},
      {"G5.0", "", kNoVersion, Buffers::running, false, false, false, false, Split::even},
      {"G5.1", "scale", kNoVersion, Buffers::running, true},
      {"G5.2", "scale", kNoVersion, Buffers::running, true},
      {"G5x", "", kNoVersion, Buffers::running, true, false, true},
      {"G6.0", "scale_tensor", kNoVersion, Buffers::running, true},
      {"G6.1", "scale_tensor", k310, Buffers::running, true},
      {"G7a", "scale_tensor", k311, Buffers::running, true, false, false, false, Split::uneven,
       false, 1e-5, false},
      {"G7b", "scale_tensor", k311, Buffers::running, true, false, false, false, Split::uneven,
       false, 1e-5, false},
      {"G7c", "scale_tensor", k311, Buffers::running, true, false, false, false, Split::uneven,
       false, 1e-4, false},
      {"G7d", "scale_tensor", kNoVersion, Buffers::running, true, false, false, false,
       Split::uneven, false, 1e-4, false},
  };
  const auto found = std::find_if(table.begin(), table.end(),
                                  [&](const Generation& row) { return row.name == name; });
  if (found == table.end()) throw std::invalid_argument("no generation " + name);
  return *found;
}

bool is_definitive(const StageShape& shape) { return shape.generation == "G5x"; }

// One convolution of the upsampler. A pixel shuffle follows if shuffle_factor() is not 1.
struct Step {
  std::int64_t in;
  std::int64_t out;  // channels before the shuffle
};

bool is_power_of_two(std::int64_t value) { return value > 0 && (value & (value - 1)) == 0; }

std::int64_t steps_of(std::int64_t scale) {
  std::int64_t steps = 0;
  for (; scale > 1; scale /= 2) ++steps;
  return steps;
}

// The upsampler of G2 to G4, after a convolution with embed_dim / 2 outputs.
std::vector<Step> early_upsampler(const StageShape& shape) {
  const std::int64_t half = shape.embed_dim / 2;
  const std::int64_t base = shape.generation == "G2" ? shape.embed_dim : half;
  if (shape.scale == 1 && shape.generation != "G4") {
    throw std::invalid_argument(shape.generation + " can't be built for scale 1");
  }
  if (shape.scale == 3) {
    const std::int64_t width = std::max<std::int64_t>(32, half);
    return {{shape.generation == "G2" ? width : half, 9 * width}};
  }
  const std::int64_t width =
      std::max<std::int64_t>(32, base / std::max<std::int64_t>(1, shape.scale / 2));
  // G4 makes a network of scale 2 if scale 1 is requested.
  const std::int64_t steps = std::max<std::int64_t>(1, steps_of(shape.scale));
  std::vector<Step> list;
  for (std::int64_t i = 0; i < steps; ++i) {
    const bool takes_half = i == 0 && shape.generation != "G2";
    list.push_back({takes_half ? half : width, 4 * width});
  }
  return list;
}

std::vector<Step> definitive_upsampler(const StageShape& shape) {
  const std::int64_t e = shape.embed_dim;
  if (shape.scale == 3) return {{e, 9 * e}};
  const std::int64_t steps = steps_of(shape.scale);
  std::vector<Step> list;
  std::int64_t in = e;
  for (std::int64_t i = 0; i < steps; ++i) {
    const std::int64_t out = i + 1 == steps ? e : in / 2;
    list.push_back({in, 4 * out});
    in = out;
  }
  return list;
}

std::vector<Step> late_upsampler(const StageShape& shape) {
  const std::int64_t e = shape.embed_dim;
  const bool rounds_all = shape.generation == "G7a" || shape.generation == "G7b";
  const bool rounds = shape.generation.starts_with("G7");
  const auto rounded = [](std::int64_t width, bool to_even) {
    return to_even ? width - width % 2 : width;
  };
  const std::int64_t width =
      std::max<std::int64_t>(32, rounded(e / std::max<std::int64_t>(1, shape.scale / 2), rounds));
  if (shape.scale == 1) return {{e, width}};
  if (shape.scale == 3) return {{e, 9 * width}};
  const std::int64_t steps = steps_of(shape.scale);
  std::vector<Step> list;
  std::int64_t in = e;
  for (std::int64_t i = 0; i < steps; ++i) {
    const std::int64_t out = i + 1 == steps ? width : rounded(in / 2, rounds_all);
    list.push_back({in, 4 * out});
    in = out;
  }
  return list;
}

std::vector<Step> upsampler(const StageShape& shape) {
  if (shape.scale != 3 && !is_power_of_two(shape.scale)) {
    throw std::invalid_argument("no generation has scale " + std::to_string(shape.scale));
  }
  const std::string& generation = shape.generation;
  if (generation == "G2" || generation == "G3" || generation == "G4") {
    return early_upsampler(shape);
  }
  return is_definitive(shape) ? definitive_upsampler(shape) : late_upsampler(shape);
}

std::int64_t shuffle_factor(const StageShape& shape) {
  if (shape.scale == 3) return 3;
  return shape.scale == 1 && shape.generation != "G4" ? 1 : 2;
}

std::string step_path(const StageShape& shape, std::size_t index) {
  if (!is_definitive(shape)) return "upsample.blocks." + std::to_string(2 * index);
  return shape.scale == 3 ? "upsample.upsample.up_3x.0"
                          : "upsample.upsample.up_" + std::to_string(index) + ".0";
}

// Makes the list of the entries of a state dict.
class StageLister {
 public:
  explicit StageLister(const StageShape& shape)
      : shape_(shape), generation_(find_generation(shape.generation)) {
    if (shape.layer_norm && !generation_.layer_norm) {
      throw std::invalid_argument(shape.generation + " has no norm_type \"layernorm\"");
    }
    const auto stages = static_cast<std::int64_t>(shape.depths.size());
    if (generation_.split == Split::even && !generation_.concatenates_stages &&
        shape.embed_dim % stages != 0) {
      throw std::invalid_argument(shape.generation + " needs equal parts of embed_dim");
    }
  }

  std::vector<NamedTensor> list() {
    const std::int64_t e = shape_.embed_dim;
    const auto stages = static_cast<std::int64_t>(shape_.depths.size());
    add_root();
    add_layer("conv_first", {e, shape_.channels, 3, 3});
    for (std::size_t stage = 0; stage < shape_.depths.size(); ++stage) {
      for (std::int64_t block = 0; block < shape_.depths[stage]; ++block) {
        add_block("stages." + std::to_string(stage) + "." + std::to_string(block));
      }
    }
    for (std::int64_t stage = 0; stage < stages; ++stage) {
      const bool one_more = generation_.split == Split::uneven && stage < e % stages;
      add_layer("fusion_convs." + std::to_string(stage),
                {e / stages + (one_more ? 1 : 0), e, 1, 1});
    }
    const std::int64_t taken = generation_.concatenates_stages ? e * stages : e;
    add("quant_fusion_layer.error_comp", {1, taken, 1, 1});
    add_layer(is_definitive(shape_) ? "quant_fusion_layer.conv" : "quant_fusion_layer.fusion_conv",
              {e, taken, 1, 1});
    add_norm("norm");
    add_layer("conv_after_body", {e, e, 3, 3});
    add_tail();
    return std::move(tensors_);
  }

 private:
  void add(const std::string& name, std::vector<std::int64_t> shape, double value = 0) {
    std::size_t count = 1;
    for (const std::int64_t size : shape) count *= static_cast<std::size_t>(size);
    tensors_.push_back({name, std::move(shape), std::vector<double>(count, value)});
  }
  void add_integers(const std::string& name, std::vector<std::int64_t> shape,
                    std::vector<double> values) {
    tensors_.push_back({name, std::move(shape), std::move(values), true});
  }
  void add_layer(const std::string& path, std::vector<std::int64_t> weight_shape) {
    const std::int64_t out = weight_shape[0];
    add(path + ".weight", std::move(weight_shape));
    add(path + ".bias", {out});
  }

  void add_root() {
    if (*generation_.scale_buffer != '\0') {
      add_integers(generation_.scale_buffer, {}, {static_cast<double>(shape_.scale)});
    }
    if (generation_.model_version[0] != 0) {
      add_integers("pt_version", {3}, {2, 7, 1});
      const auto& version = generation_.model_version;
      add_integers("model_version", {3}, {version.begin(), version.end()});
    }
    const bool zero = shape_.channels != 3 && (generation_.concatenates_stages);
    add("mean", {1, shape_.channels, 1, 1}, zero ? 0 : 0.5);
  }

  void add_block(const std::string& path) {
    const std::int64_t e = shape_.embed_dim;
    const std::int64_t h = shape_.hidden_dim;
    add_branches(path + ".conv");
    add_norm(path + ".norm");
    add(path + ".ffn.temperature", generation_.scalar_temperature ? std::vector<std::int64_t>{}
                                                                  : std::vector<std::int64_t>{1});
    add_layer(path + ".ffn.conv_gate", {h, e, 1, 1});
    add_layer(path + ".ffn.conv_main", {h, e, 1, 1});
    add_layer(path + ".ffn.conv_out", {e, h, 1, 1});
    if (shape_.channel_attention) {
      const std::int64_t reduced = e / 8;
      add_attention(path + ".channel_attn.fc.0", reduced, e);
      add_attention(path + ".channel_attn.fc.2", e, reduced);
    }
    if (shape_.spatial_attention) add(path + ".spatial_attn.conv.weight", {1, 2, 7, 7});
  }

  void add_branches(const std::string& path) {
    const std::int64_t e = shape_.embed_dim;
    const std::vector<std::int64_t> large = {e, 1, shape_.large_kernel, shape_.large_kernel};
    const std::vector<std::int64_t> small = {e, 1, shape_.small_kernel, shape_.small_kernel};
    if (shape_.fused) {
      add_layer(path + ".fused_conv", large);
    } else if (is_definitive(shape_)) {
      add_layer(path + ".lk_conv", large);
      add_layer(path + ".sk_conv", small);
    } else {
      add(path + ".lk_bias", {e});
      add(path + ".sk_bias", {e});
      add(path + ".lk_conv.weight", large);
      add(path + ".sk_conv.weight", small);
    }
  }

  void add_norm(const std::string& path) {
    const std::int64_t e = shape_.embed_dim;
    const std::vector<std::int64_t> vector = {e};
    const std::vector<std::int64_t> shape =
        shape_.layer_norm || is_definitive(shape_) ? vector : std::vector<std::int64_t>{1, e, 1, 1};
    add(path + ".weight", shape);
    add(path + ".bias", shape);
    if (shape_.layer_norm || generation_.buffers == Buffers::none) return;
    if (shape_.fused && !generation_.keeps_statistics) return;
    add(path + ".running_mean", shape);
    add(path + ".running_var", shape);
    if (generation_.buffers == Buffers::running_and_batches) {
      add_integers(path + ".num_batches_tracked", {}, {1000});
    }
  }

  void add_attention(const std::string& path, std::int64_t out, std::int64_t in) {
    if (generation_.linear_attention) {
      add(path + ".weight", {out, in});
    } else {
      add(path + ".weight", {out, in, 1, 1});
    }
    if (generation_.attention_bias) add(path + ".bias", {out});
  }

  void add_tail() {
    const std::int64_t e = shape_.embed_dim;
    const bool halves =
        shape_.generation == "G2" || shape_.generation == "G3" || shape_.generation == "G4";
    add_layer(is_definitive(shape_) ? "conv_before_upsample" : "conv_before_upsample.0",
              {halves ? e / 2 : e, e, 3, 3});
    const std::vector<Step> steps = upsampler(shape_);
    for (std::size_t i = 0; i < steps.size(); ++i) {
      add_layer(step_path(shape_, i), {steps[i].out, steps[i].in, 3, 3});
    }
    const std::int64_t factor = shuffle_factor(shape_);
    add_layer("conv_last",
              {shape_.channels, steps.empty() ? e : steps.back().out / (factor * factor), 3, 3});
  }

  const StageShape& shape_;
  const Generation& generation_;
  std::vector<NamedTensor> tensors_;
};

// Adds up the two branches of each block of G5x, where the convolutions have biases.
std::vector<NamedTensor> fuse_definitive(const std::vector<NamedTensor>& unfused) {
  std::vector<NamedTensor> fused;
  for (std::size_t i = 0; i < unfused.size(); ++i) {
    const std::string& name = unfused[i].name;
    if (!name.ends_with(".lk_conv.weight")) {
      fused.push_back(unfused[i]);
      continue;
    }
    // The order of the tensors is: lk_conv.weight, lk_conv.bias, sk_conv.weight, sk_conv.bias.
    const std::string path = name.substr(0, name.size() - std::string("lk_conv.weight").size());
    NamedTensor weight = centred_sum(unfused[i], unfused[i + 2]);
    NamedTensor bias = unfused[i + 1];
    for (std::size_t c = 0; c < bias.values.size(); ++c) {
      bias.values[c] += unfused[i + 3].values[c];
    }
    weight.name = path + "fused_conv.weight";
    bias.name = path + "fused_conv.bias";
    fused.push_back(std::move(weight));
    fused.push_back(std::move(bias));
    i += 3;
  }
  return fused;
}

// Folds the statistics of each normalization into its weight and bias. The order of the tensors is:
// weight, bias, running_mean, running_var.
void fold_statistics(std::vector<NamedTensor>& tensors, double epsilon) {
  for (std::size_t i = 2; i + 1 < tensors.size(); ++i) {
    if (!tensors[i].name.ends_with("norm.running_mean")) continue;
    std::vector<double>& weight = tensors[i - 2].values;
    std::vector<double>& bias = tensors[i - 1].values;
    for (std::size_t c = 0; c < weight.size(); ++c) {
      weight[c] /= std::sqrt(tensors[i + 1].values[c] + epsilon);
      bias[c] -= tensors[i].values[c] * weight[c];
    }
  }
}

bool is_statistic(const NamedTensor& tensor) {
  return tensor.name.ends_with(".running_mean") || tensor.name.ends_with(".running_var");
}

}  // namespace

const std::vector<std::string>& stage_generations() {
  static const std::vector<std::string> names = {
      "G2", "G3", "G4", "G5.0", "G5.1", "G5.2", "G5x", "G6.0", "G6.1", "G7a", "G7b", "G7c", "G7d"};
  return names;
}

StageShape stage_preset(std::string_view model_type, std::int64_t scale) {
  StageShape shape;
  const auto preset = [&](std::int64_t embed_dim, std::vector<std::int64_t> depths,
                          std::int64_t large, std::int64_t small, std::int64_t hidden) {
    shape.embed_dim = embed_dim;
    shape.depths = std::move(depths);
    shape.large_kernel = large;
    shape.small_kernel = small;
    shape.hidden_dim = hidden;
  };
  shape.scale = scale;
  shape.channel_attention = model_type != "aether_mobile";
  shape.spatial_attention =
      model_type == "aether_large" || model_type == "aether_pro" || model_type == "aether_extreme";
  if (model_type == "aether_mobile") {
    preset(64, {2, 2, 2, 2}, 7, 3, 96);
  } else if (model_type == "aether_tiny") {
    preset(64, {3, 3, 3}, 13, 5, 96);
  } else if (model_type == "aether_small") {
    preset(96, {4, 4, 4, 4}, 13, 5, 144);
  } else if (model_type == "aether_medium") {
    preset(128, {6, 6, 6, 6}, 13, 5, 192);
  } else if (model_type == "aether_large") {
    preset(180, {8, 8, 8, 8, 8}, 13, 5, 270);
  } else if (model_type == "aether_pro") {
    preset(192, {8, 8, 8, 8, 8}, 15, 5, 336);
  } else if (model_type == "aether_extreme") {
    preset(256, {12, 12, 12, 12, 12}, 21, 5, 512);
  } else {
    throw std::invalid_argument("no preset " + std::string(model_type));
  }
  return shape;
}

std::vector<NamedTensor> make_tensors(const StageShape& shape) { return StageLister(shape).list(); }

std::vector<NamedTensor> fuse(const std::vector<NamedTensor>& unfused, const StageShape& shape) {
  if (is_definitive(shape)) return fuse_definitive(unfused);
  const Generation& generation = find_generation(shape.generation);
  std::vector<NamedTensor> fused = fuse(unfused);
  fold_statistics(fused, generation.epsilon);
  if (!generation.keeps_statistics) std::erase_if(fused, is_statistic);
  return fused;
}

PythonDict arch_config(const StageShape& shape, double res_scale, double img_range) {
  PythonList depths;
  for (const std::int64_t depth : shape.depths) depths.items.emplace_back(depth);
  const double ratio = static_cast<double>(shape.hidden_dim) / static_cast<double>(shape.embed_dim);
  PythonDict config;
  config.items = {{"in_chans", shape.channels},
                  {"embed_dim", shape.embed_dim},
                  {"depths", depths},
                  {"mlp_ratio", ratio},
                  {"drop", 0.0},
                  {"drop_path_rate", 0.1},
                  {"lk_kernel", shape.large_kernel},
                  {"sk_kernel", shape.small_kernel},
                  {"scale", shape.scale},
                  {"img_range", img_range},
                  {"fused_init", false},
                  {"quantize_residual", true},
                  {"use_channel_attn", shape.channel_attention},
                  {"use_spatial_attn", shape.spatial_attention},
                  {"norm_type", shape.layer_norm ? "layernorm" : "deployment"},
                  {"res_scale", res_scale}};
  return config;
}

std::vector<std::string> module_names(const StageShape& shape) {
  // The modules that have entries, and their parent modules, in the order of the state dict.
  std::vector<std::string> names = {""};
  const auto add = [&](const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  const std::string& generation = shape.generation;
  const bool last = generation == "G7c" || generation == "G7d";
  const bool named_residual = generation.starts_with("G6") || generation == "G7a";
  for (const char* name : {"quant", "dequant"}) add(name);
  if (last) {
    for (const char* name : {"body_norm_dequant", "body_norm_quant", "upsample_dequant",
                             "upsample_quant", "quant_add"}) {
      add(name);
    }
  }
  for (const NamedTensor& tensor : make_tensors(shape)) {
    for (std::size_t dot = 0; (dot = tensor.name.find('.', dot)) != std::string::npos; ++dot) {
      add(tensor.name.substr(0, dot));
    }
    if (!tensor.name.ends_with(".ffn.conv_out.bias")) continue;
    // The modules of a block that have no weights.
    const std::string path = tensor.name.substr(0, tensor.name.find(".ffn.") + 1);
    for (const char* name : {"ffn.act", "ffn.drop", "ffn.quant_mul", "drop_path", "quant_add"}) {
      add(path + name);
    }
    if (last) {
      for (const char* name :
           {"norm_dequant", "norm_quant", "res_dequant", "res_quant", "ffn.act_dequant",
            "ffn.act_quant", "ffn.temp_dequant", "ffn.temp_quant"}) {
        add(path + name);
      }
    }
    if (named_residual) add(path + "residual_quant");
    if (generation == "G7b") add(path + "quant_mul_scalar");
  }
  return names;
}

}  // namespace aether2onnx::tools
