#include "network/scale_tensor.h"

#include <array>

#include "base/text.h"
#include "network/keys.h"
#include "network/stages.h"

namespace aether2onnx::network {

namespace {

constexpr std::array kNames = {"G6.0", "G6.1", "G7a", "G7b", "G7c", "G7d"};

constexpr double kEarlyNormEpsilon = 1e-5;
constexpr double kNormEpsilon = 1e-4;

// If a file of G7 has the PyTorch module `module`, the file's generation is `generation`.
struct Mark {
  const char* module;
  const char* generation;
};

// seventh() uses the first row whose module is in the file. The rows of G7c come before the row of
// G7b, because blocks of G7c also contain a module quant_mul_scalar, but do not use this module.
// G7c has several rows, because some files of G7c do not show the module temp_dequant. A file from
// quantization-aware training shows only modules that have an observer (a PyTorch module that
// records the range of another module's values). temp_dequant has no observer in G7c.
constexpr std::array kSeventhMarks = {
    Mark{"temp_dequant", "G7c"},   Mark{"temp_quant", "G7c"},       Mark{"res_quant", "G7c"},
    Mark{"upsample_quant", "G7c"}, Mark{"quant_mul_scalar", "G7b"}, Mark{"residual_quant", "G7a"}};

// Returns whether the weight ffn.temperature of every block is 1, the value before training.
bool temperatures_are_one(const FloatStateDict& file) {
  bool found = false;
  for (const state_dict::Entry* entry : file.entries()) {
    const auto key = parse_block_key(entry->name, "stages.");
    if (!key || key->suffix != "ffn.temperature") continue;
    if (!entry->tensor || entry->tensor->elements != 1) return false;
    const auto numbers = file.numbers(entry->name);
    if (!numbers || numbers->front() != 1) return false;
    found = true;
  }
  return found;
}

// Chooses among G7a to G7d. Blocks of G7a have a weight ffn.temperature, but compute nothing with
// this weight. So training leaves the temperatures of G7a at 1, the initial value. The epsilon of
// norms is 1e-5 in G7a and G7b, 1e-4 in G7c and G7d.
Decision seventh(const FloatStateDict& file, const std::string& because) {
  if (!file.has("model_version")) return {"G7d", because};
  if (file.arch_config_has("arch_option")) {
    return {"G7c", because + ", and the file's arch_config has arch_option"};
  }
  for (const Mark& mark : kSeventhMarks) {
    if (file.has_module(mark.module)) {
      return {mark.generation,
              fmt::format("{}, and the file has a module {}", because, mark.module)};
    }
  }
  if (temperatures_are_one(file)) {
    return {"G7a",
            because + ", and every temperature is 1: only G7a does not train the temperatures"};
  }
  Decision decision = {"G7c",
                       because +
                           ", and the temperatures are trained; the file can be G7b or G7c, which "
                           "have the same keys, or G7a if the training began from another network",
                       false};
  decision.norm_eps.certain = false;
  return decision;
}

// Chooses G7d or G6.0 by the names of the PyTorch modules in the file. Returns a Decision with an
// empty name if the file has no module that this function knows.
Decision by_modules(const FloatStateDict& file) {
  for (const char* module :
       {"body_norm_quant", "norm_quant", "body_norm_dequant", "norm_dequant", "upsample_dequant"}) {
    if (file.has_module(module)) return {"G7d", fmt::format("the file has a module {}", module)};
  }
  if (file.has_module("residual_quant")) {
    return {"G6.0", "the file has a module residual_quant, but no module norm_quant"};
  }
  return {};
}

Decision by_evidence(const FloatStateDict& file, const ReadOptions& options) {
  if (const auto named = named_generation(file, options, kNames)) {
    return {named->name, named->because, named->certain};
  }
  using Version = std::vector<std::int64_t>;
  const auto version = file.integers("model_version");
  if (version == Version{3, 1, 0}) return {"G6.1", "the buffer model_version is 3.1.0"};
  if (version == Version{3, 1, 1}) return seventh(file, "the buffer model_version is 3.1.1");
  if (const std::string* text = file.metadata("model_version")) {
    if (*text == "3.1.0") return {"G6.1", "the file's metadata have model_version 3.1.0"};
    if (*text == "3.1.1") return seventh(file, "the file's metadata have model_version 3.1.1");
  }
  if (version) {
    Decision decision = {
        "G7c",
        fmt::format("the buffer model_version is {}, which aether2onnx does not know",
                    join(*version, ".")),
        false};
    decision.norm_eps.certain = false;
    return decision;
  }
  if (Decision decision = by_modules(file); !decision.name.empty()) return decision;
  if (file.has_arch_config()) {
    return {"G7d", "the file has scale_tensor and arch_config, but no buffer model_version"};
  }
  // Only deployment norms (norms with stored mean and variance) have weights of rank 4. In fused
  // files, the statistics of these norms (running_mean, running_var) show the generation: fusion
  // keeps the statistics in G6, and removes the statistics in G7.
  const state_dict::Entry* weight = file.find("norm.weight");
  const bool deployment = weight != nullptr && weight->tensor && weight->tensor->shape.size() == 4;
  if (deployment && file.has("stages.0.0.conv.fused_conv.weight")) {
    if (stage_keys(file).has_statistics) {
      return {"G6.0",
              "the convolutions are fused, and the norms have running_mean and running_var"};
    }
    return {"G7d",
            "the convolutions are fused, and the norms have no running_mean and running_var"};
  }
  // `false` marks the generation as an assumption. The epsilon of the norms (norm_eps) is not
  // marked as an assumption, because the generation decides norm_eps: a user who names the right
  // generation also gets the right norm_eps.
  return {"G7d", "G6.0 and G7d have the same keys, and the file does not show its generation",
          false};
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
    decision.norm_eps.because =
        decision.norm_eps.certain
            ? "the value of " + decision.name
            : "the epsilon is 1e-05 in G7a and G7b, but 0.0001 in G7c and G7d";
  }
  return decision;
}

}  // namespace aether2onnx::network
