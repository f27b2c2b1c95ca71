#include "network/scale_tensor.h"

#include <array>

#include "base/text.h"
#include "network/stages.h"

namespace aether2onnx::network {

namespace {

constexpr std::array kNames = {"G6.0", "G6.1", "G7a", "G7b", "G7c", "G7d"};

constexpr double kEarlyNormEpsilon = 1e-5;
constexpr double kNormEpsilon = 1e-4;

// G7a to G7d differ only in the epsilon of their norms: 1e-5 in a and b, 1e-4 in c and d.
Decision seventh(const FloatStateDict& file, std::string because) {
  if (!file.has("model_version")) return {"G7d", std::move(because)};
  if (file.arch_config_has("arch_option")) {
    return {"G7c", because + ", arch_config with arch_option"};
  }
  if (file.has_module("temp_dequant")) return {"G7c", because + ", a module temp_dequant"};
  if (file.has_module("quant_mul_scalar")) return {"G7b", because + ", a module quant_mul_scalar"};
  if (file.has_module("residual_quant")) return {"G7a", because + ", a module residual_quant"};
  Decision decision = {"G7c", because + "; G7a, G7b and G7c differ in norm_eps alone"};
  decision.norm_eps.certain = false;
  return decision;
}

Decision by_evidence(const FloatStateDict& file, const ReadOptions& options) {
  if (const auto named = named_generation(file, options, kNames)) {
    return {named->first, named->second};
  }
  using Version = std::vector<std::int64_t>;
  const auto version = file.integers("model_version");
  if (version == Version{3, 1, 0}) return {"G6.1", "buffer model_version 3.1.0"};
  if (version == Version{3, 1, 1}) return seventh(file, "buffer model_version 3.1.1");
  if (const std::string* text = file.metadata("model_version")) {
    if (*text == "3.1.0") return {"G6.1", "metadata with model_version 3.1.0"};
    if (*text == "3.1.1") return seventh(file, "metadata with model_version 3.1.1");
  }
  if (version) {
    Decision decision = {
        "G7c", fmt::format("buffer model_version {}, which isn't known", join(*version, ".")),
        false};
    decision.norm_eps.certain = false;
    return decision;
  }
  if (file.has_arch_config()) return {"G7d", "scale_tensor and arch_config, no version buffers"};
  // Only deployment norms have statistics, and weights of rank 4.
  const state_dict::Entry* weight = file.find("norm.weight");
  const bool deployment = weight != nullptr && weight->tensor && weight->tensor->shape.size() == 4;
  if (deployment && file.has("stages.0.0.conv.fused_conv.weight")) {
    if (stage_keys(file).has_statistics) {
      return {"G6.0", "fused, and running_mean and running_var are left"};
    }
    return {"G7d", "fused, and no running_mean and running_var are left"};
  }
  for (const char* module :
       {"body_norm_quant", "norm_quant", "body_norm_dequant", "norm_dequant", "upsample_dequant"}) {
    if (file.has_module(module)) return {"G7d", fmt::format("a module {}", module)};
  }
  if (file.has_module("residual_quant")) {
    return {"G6.0", "a module residual_quant, no norm_quant"};
  }
  // norm_eps follows from the generation. It is no open question of its own.
  return {"G7d", "scale_tensor; G6.0 has the same keys, and nothing in the file tells", false};
}

}  // namespace

bool fits_scale_tensor(const FloatStateDict& file) {
  const StageKeys keys = stage_keys(file);
  return keys.has_stages && !keys.plain && keys.temperature_rank == 1 && keys.has_scale_tensor;
}

bool is_seventh(const Decision& decision) { return decision.name.starts_with("G7"); }

Decision decide_scale_tensor(const FloatStateDict& file, const ReadOptions& options) {
  Decision decision = by_evidence(file, options);
  decision.res_scale = res_scale_of_presets(stage_keys(file).embed_dim);
  if (is_seventh(decision)) {
    const bool early = decision.name == "G7a" || decision.name == "G7b";
    decision.norm_eps.value = early ? kEarlyNormEpsilon : kNormEpsilon;
    decision.norm_eps.because = decision.norm_eps.certain
                                    ? "that of " + decision.name
                                    : "G7a and G7b have 1e-05, G7c and G7d this";
  }
  return decision;
}

}  // namespace aether2onnx::network
