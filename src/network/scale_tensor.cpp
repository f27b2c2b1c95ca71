#include "network/scale_tensor.h"

#include <array>

#include "base/error.h"
#include "base/text.h"
#include "network/stages.h"

namespace aether2onnx::network {

namespace {

constexpr std::array kNames = {"G6.0", "G6.1", "G7a", "G7b", "G7c", "G7d"};

using Version = std::vector<std::int64_t>;

bool is_version_buffer(const std::optional<Version>& version, const Version& wanted) {
  return version && *version == wanted;
}

// The four differ in the epsilon of their norms alone: 1e-5 in a and b, 1e-4 in c and d.
ScaleTensorGeneration seventh(const View& view, std::string because) {
  if (!view.has("model_version")) return {"G7d", std::move(because)};
  if (view.arch_config_has("arch_option")) {
    return {"G7c", because + ", arch_config with arch_option"};
  }
  if (view.has_module("temp_dequant")) return {"G7c", because + ", a module temp_dequant"};
  if (view.has_module("quant_mul_scalar")) return {"G7b", because + ", a module quant_mul_scalar"};
  if (view.has_module("residual_quant")) return {"G7a", because + ", a module residual_quant"};
  return {"G7c", because + "; G7a, G7b and G7c differ in norm_eps alone", true, false};
}

}  // namespace

bool fits_scale_tensor(const View& view) {
  const StageKeys keys = stage_keys(view);
  return keys.is_stage_family && !keys.plain && keys.temperature_rank == 1 && keys.has_scale_tensor;
}

ScaleTensorGeneration decide_scale_tensor(const View& view, const ReadOptions& options) {
  if (const auto named = named_generation(view, options, kNames)) {
    return {named->first, named->second};
  }
  const auto version = view.integers("model_version");
  if (is_version_buffer(version, {3, 1, 0})) return {"G6.1", "buffer model_version 3.1.0"};
  if (is_version_buffer(version, {3, 1, 1})) return seventh(view, "buffer model_version 3.1.1");
  if (const std::string* text = view.release("model_version")) {
    if (*text == "3.1.0") return {"G6.1", "metadata with model_version 3.1.0"};
    if (*text == "3.1.1") return seventh(view, "metadata with model_version 3.1.1");
  }
  if (version) {
    return {"G7c", fmt::format("buffer model_version {}, which isn't known", join(*version, ".")),
            false, false};
  }
  if (view.has_arch_config()) return {"G7d", "scale_tensor and arch_config, no version buffers"};
  // Only deployment norms have statistics, and weights of rank 4.
  const StageKeys keys = stage_keys(view);
  const state_dict::Entry* weight = view.find("norm.weight");
  const bool deployment = weight != nullptr && weight->tensor && weight->tensor->shape.size() == 4;
  const bool fused = view.has("stages.0.0.conv.fused_conv.weight");
  if (fused && deployment && keys.has_statistics) {
    return {"G6.0", "fused, and running_mean and running_var are left"};
  }
  if (fused && deployment) return {"G7d", "fused, and no running_mean and running_var are left"};
  for (const char* module :
       {"body_norm_quant", "norm_quant", "body_norm_dequant", "norm_dequant", "upsample_dequant"}) {
    if (view.has_module(module)) return {"G7d", fmt::format("a module {}", module)};
  }
  if (view.has_module("residual_quant")) {
    return {"G6.0", "a module residual_quant, no norm_quant"};
  }
  // The epsilon is the generation's: one question, not two.
  return {"G7d", "scale_tensor; G6.0 has the same keys, and nothing in the file tells", false};
}

}  // namespace aether2onnx::network
