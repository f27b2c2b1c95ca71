#include "quantized_networks.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "sample_networks.h"

namespace aether2onnx::tools {

namespace {

constexpr std::string_view kWeight = ".weight";

// Returns "M" for the name "M.weight", "" for any other name.
std::string module_of_weight(const NamedTensor& tensor) {
  if (!tensor.name.ends_with(kWeight)) return {};
  return tensor.name.substr(0, tensor.name.size() - kWeight.size());
}

bool is_norm(const std::string& module) { return module.ends_with("norm"); }

// Returns whether the module is a convolution or linear layer that is quantized.
bool is_quantized(const std::string& module, bool stages) {
  return !module.empty() && !is_norm(module) && !(stages && module.starts_with("upsample."));
}

struct OtherModules {
  std::vector<std::string> functionals;  // quantized operations and activations
  std::vector<std::string> stubs;        // their scale and zero point have rank 1
  std::vector<std::string> sigmoids;     // their range is fixed
};

// Returns the quantized modules without weights.
OtherModules other_modules(const std::vector<NamedTensor>& fused, bool stages) {
  OtherModules modules;
  modules.functionals = {"conv_before_upsample.1"};
  modules.stubs = {"quant"};
  if (!stages) return modules;
  for (const NamedTensor& tensor : fused) {
    const std::size_t part = tensor.name.find(".ffn.temperature");
    if (part != std::string::npos) {
      const std::string block = tensor.name.substr(0, part);
      for (const char* name : {".ffn.quant_mul", ".quant_add"}) {
        modules.functionals.push_back(block + name);
      }
      for (const char* name : {".norm_quant", ".ffn.act_quant", ".ffn.temp_quant", ".res_quant"}) {
        modules.stubs.push_back(block + name);
      }
    }
    const std::string module = module_of_weight(tensor);
    for (const auto& [last, sigmoid] :
         {std::pair<std::string, std::string>{".channel_attn.fc.2", ".fc.3"},
          {".spatial_attn.conv", ".sigmoid"}}) {
      if (!module.ends_with(last)) continue;
      const std::string attention = module.substr(0, module.find("_attn.") + 5);
      modules.functionals.push_back(attention + ".quant_mul");
      modules.sigmoids.push_back(attention + sigmoid);
    }
  }
  for (const char* name : {"quant_fusion_layer.quant_mul", "quant_add"}) {
    modules.functionals.emplace_back(name);
  }
  for (const char* name : {"body_norm_quant", "upsample_quant"}) modules.stubs.emplace_back(name);
  return modules;
}

void add_output(std::vector<NamedTensor>& list, const std::string& module,
                const std::vector<std::int64_t>& shape, double scale = 0.02,
                double zero_point = 64) {
  list.push_back({module + ".scale", shape, {scale}});
  list.push_back({module + ".zero_point", shape, {zero_point}, true});
}

NamedTensor without_values(std::string name, EntryKind kind) {
  NamedTensor entry;
  entry.name = std::move(name);
  entry.kind = kind;
  return entry;
}

void add_range(std::vector<NamedTensor>& list, const std::string& observer,
               const std::vector<std::int64_t>& shape) {
  const auto count = static_cast<std::size_t>(shape.empty() ? 1 : shape[0]);
  list.push_back({observer + ".eps", {1}, {0x1p-23}});
  list.push_back({observer + ".min_val", shape, std::vector<double>(count, -1)});
  list.push_back({observer + ".max_val", shape, std::vector<double>(count, 1)});
}

void add_activation_range(std::vector<NamedTensor>& list, const std::string& module, bool stages) {
  const std::string observer = module + ".activation_post_process";
  add_range(list, observer, {});
  if (!stages) list.push_back({observer + ".histogram", {2048}, std::vector<double>(2048, 1)});
}

}  // namespace

NamedTensor quantize(NamedTensor weight, bool per_channel) {
  const std::size_t channels = per_channel ? static_cast<std::size_t>(weight.shape[0]) : 1;
  const std::size_t part = weight.values.size() / channels;
  Quantization quantization;
  if (per_channel) quantization.axis = 0;
  quantization.channels_last = per_channel;
  for (std::size_t c = 0; c < channels; ++c) {
    const auto begin = weight.values.begin() + static_cast<std::ptrdiff_t>(c * part);
    const auto end = begin + static_cast<std::ptrdiff_t>(part);
    double largest = 0;
    std::for_each(begin, end, [&](double value) { largest = std::max(largest, std::abs(value)); });
    const double scale = largest > 0 ? largest / 127.5 : 1;
    std::transform(begin, end, begin, [&](double value) {
      return std::clamp(std::nearbyint(value / scale), -128.0, 127.0);
    });
    quantization.scales.push_back(scale);
    quantization.zero_points.push_back(0);
  }
  weight.quantization = std::move(quantization);
  return weight;
}

std::vector<NamedTensor> convert_to_int8(const std::vector<NamedTensor>& fused, bool per_channel) {
  const bool stages = is_of_stages(fused);
  std::vector<NamedTensor> list;
  for (std::size_t i = 0; i < fused.size(); ++i) {
    const std::string module = module_of_weight(fused[i]);
    const bool quantized = is_quantized(module, stages);
    // In G1 a norm becomes a quantized module, but its weights are not quantized.
    if (!quantized && (stages || !is_norm(module))) {
      list.push_back(fused[i]);
      continue;
    }
    const bool has_bias = i + 1 < fused.size() && fused[i + 1].name == module + ".bias";
    NamedTensor weight = quantized ? quantize(fused[i], per_channel) : fused[i];
    if (quantized && weight.shape.size() == 2) {
      weight.name = module + "._packed_params._packed_params";
      weight.kind = EntryKind::packed_linear;
      if (has_bias) weight.packed_bias = fused[i + 1].values;
      add_output(list, module, {});
      list.push_back(without_values(module + "._packed_params.dtype", EntryKind::qint8_type));
      list.push_back(std::move(weight));
    } else {
      list.push_back(std::move(weight));
      list.push_back(has_bias ? fused[i + 1] : without_values(module + ".bias", EntryKind::none));
      add_output(list, module, {});
    }
    if (has_bias) ++i;
  }
  const OtherModules others = other_modules(fused, stages);
  for (const std::string& module : others.functionals) {
    const bool never_run = module == "quant_fusion_layer.quant_mul";
    add_output(list, module, {}, never_run ? 1 : 0.02, never_run ? 0 : 64);
  }
  for (const std::string& module : others.stubs) add_output(list, module, {1});
  return list;
}

std::vector<NamedTensor> add_observers(const std::vector<NamedTensor>& fused, bool per_channel) {
  const bool stages = is_of_stages(fused);
  std::vector<NamedTensor> list = fused;
  for (const NamedTensor& tensor : fused) {
    const std::string module = module_of_weight(tensor);
    const bool quantized = is_quantized(module, stages);
    if (quantized) {
      add_range(
          list, module + ".weight_fake_quant",
          per_channel ? std::vector<std::int64_t>{tensor.shape[0]} : std::vector<std::int64_t>{});
    }
    if (quantized || (!stages && is_norm(module))) add_activation_range(list, module, stages);
  }
  const OtherModules others = other_modules(fused, stages);
  for (const std::vector<std::string>* modules : {&others.functionals, &others.stubs}) {
    for (const std::string& module : *modules) add_activation_range(list, module, stages);
  }
  for (const std::string& module : others.sigmoids) {
    const std::string observer = module + ".activation_post_process";
    list.push_back({observer + ".fake_quant_enabled", {1}, {1}, true});
    list.push_back({observer + ".observer_enabled", {1}, {1}, true});
    add_output(list, observer, {1}, 1.0 / 256, 0);
    add_output(list, observer + ".activation_post_process", {1}, 1.0 / 256, 0);
  }
  return list;
}

}  // namespace aether2onnx::tools
