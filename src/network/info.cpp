// Makes the NetworkInfo of a network. Makes texts from a NetworkInfo, for example the notes in a
// fused checkpoint. Lists the names of generations and variants.

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "network/generation.h"
#include "network/notes.h"

namespace aether2onnx {

std::string_view to_string(NormType type) noexcept {
  return type == NormType::deployment ? "deployment" : "layernorm";
}

std::string_view to_string(Quantization quantization) noexcept {
  constexpr std::array<std::string_view, 3> names = {"none", "qat", "int8"};
  return name_in(names, quantization);
}

}  // namespace aether2onnx

namespace aether2onnx::network {

// --- names of generations and variants ----------------------------------------------------------

const std::vector<std::string>& generation_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result;
    for (const Generation* generation : generations()) {
      result.insert(result.end(), generation->names.begin(), generation->names.end());
    }
    return result;
  }();
  return names;
}

// Lists the variants of the last generation first, because this generation has the most variants.
// The last generation's variants are in the order of their sizes.
const std::vector<std::string>& named_variants() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result;
    const auto all = generations();
    for (std::size_t i = all.size(); i-- > 0;) {
      for (const Variant& variant : all[i]->variants) {
        if (std::find(result.begin(), result.end(), variant.name) == result.end()) {
          result.emplace_back(variant.name);
        }
      }
    }
    return result;
  }();
  return names;
}

bool has_name(const Generation& generation, std::string_view name) {
  return std::any_of(generation.names.begin(), generation.names.end(),
                     [&](const char* known) { return name == known; });
}

// --- settings and dimensions of a network -------------------------------------------------------

namespace {

// Returns whether a network has the dimensions of a variant. If facts.small_kernel is 0, the size
// of the network's small kernels is unknown, and fits any variant.
bool is_variant(const Variant& variant, const NetworkInfo& facts) {
  const auto is_attention = [](const std::optional<bool>& wanted, bool found) {
    return !wanted || *wanted == found;
  };
  const std::vector<std::int64_t> depths(static_cast<std::size_t>(variant.groups), variant.blocks);
  return variant.embed_dim == facts.embed_dim && depths == facts.depths &&
         variant.hidden_dim == facts.hidden_dim && variant.large_kernel == facts.large_kernel &&
         (facts.small_kernel == 0 || variant.small_kernel == facts.small_kernel) &&
         is_attention(variant.channel_attention, facts.has("channel_attention")) &&
         is_attention(variant.spatial_attention, facts.has("spatial_attention"));
}

}  // namespace

NetworkInfo facts_of(const Dimensions& d, std::span<const Variant> variants, std::string name) {
  NetworkInfo facts;
  facts.architecture = "AetherNet";
  facts.generation = std::move(name);
  facts.scale = 1;
  for (const UpsampleConv& conv : d.upsampler) facts.scale *= conv.factor;
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
  const auto variant = std::find_if(variants.begin(), variants.end(),
                                    [&](const Variant& each) { return is_variant(each, facts); });
  facts.model_type = variant == variants.end() ? "custom" : variant->name;
  return facts;
}

std::vector<std::string> open_questions(const NetworkInfo& facts) {
  std::vector<std::string> lines;
  for (const Evidence& evidence : facts.evidence) {
    if (evidence.certain) continue;
    // If the epsilon of the norms is already folded into weights, no option can change the epsilon.
    // So the line about this epsilon names no option.
    const bool folded = evidence.what == "norm_eps" && facts.numbers.contains("folded_norm_eps");
    lines.push_back(
        fmt::format("{} {} is an assumption: {}{}", evidence.what, evidence.value, evidence.because,
                    folded ? "" : fmt::format(". {} sets another value", option(evidence.what))));
  }
  return lines;
}

std::string fused_from(const NetworkInfo& facts) {
  std::string text;
  if (facts.small_kernel > 0) {
    text = fmt::format("depthwise {0}x{0} + {1}x{1}, summed in float64", facts.large_kernel,
                       facts.small_kernel);
  }
  const double eps = facts.number("norm_eps", facts.number("folded_norm_eps", 0));
  if (eps > 0) text += fmt::format("{}norms with eps {}", text.empty() ? "" : "; ", eps);
  return text;
}

std::vector<std::pair<std::string, std::string>> notes(const NetworkInfo& facts) {
  std::vector<std::pair<std::string, std::string>> notes;
  if (std::string from = fused_from(facts); !from.empty()) {
    notes.emplace_back(kFusedFromNote, std::move(from));
  }
  const bool keys_tell_all = has_name(kGeneration1, facts.generation);
  if (!keys_tell_all) notes.emplace_back(kGenerationNote, facts.generation);
  const auto res_scale = facts.numbers.find("res_scale");
  if (res_scale != facts.numbers.end()) {
    notes.emplace_back(kResScaleNote, fmt::format("{}", res_scale->second));
  }
  const double img_range = facts.number("img_range", 1);
  if (img_range != 1) notes.emplace_back(kImgRangeNote, fmt::format("{}", img_range));
  std::vector<std::string> assumed;
  for (const Evidence& evidence : facts.evidence) {
    if (!evidence.certain) assumed.push_back(evidence.what);
  }
  if (!assumed.empty()) notes.emplace_back(kAssumedNote, join(assumed, ","));
  return notes;
}

// --- comparing the network with the user's options ----------------------------------------------

void check_expectations(const NetworkInfo& facts, const Expectations& expected) {
  std::vector<Diagnostic> findings;
  const auto compare = [&](const char* name, std::string wanted, std::string found,
                           const std::string& details, std::string given = "") {
    if (wanted == found) return;
    if (given.empty()) given = fmt::format("{} {}", option(name), printable(wanted));
    const std::string text =
        fmt::format("{} was given, but the checkpoint's {} is {}{}", given, name, found, details);
    findings.push_back({"network-expectation", name, std::move(wanted), std::move(found), text});
  };
  if (expected.model_type) {
    compare("model_type", *expected.model_type, facts.model_type,
            fmt::format(" (embed_dim {}, depths {}, hidden {}, kernel {})", facts.embed_dim,
                        join(facts.depths), facts.hidden_dim, facts.large_kernel));
  }
  const auto compare_number = [&](const char* name, std::optional<std::int64_t> wanted,
                                  std::int64_t found, const std::string& given = "") {
    if (wanted) compare(name, fmt::format("{}", *wanted), fmt::format("{}", found), "", given);
  };
  compare_number("scale", expected.scale, facts.scale);
  compare_number("input_channels", expected.input_channels, facts.input_channels,
                 expected.input_channels_given);
  if (findings.empty()) return;
  const std::string text = fmt::format(
      "{}.\nLeave the option out (the checkpoint has the value), or give the right file.",
      join(texts(findings), ";\n"));
  throw Error(ErrorKind::mismatch, Diagnostic{"network-expectations", "", "", "", text}, findings);
}

}  // namespace aether2onnx::network
