#include <algorithm>
#include <array>
#include <numeric>

#include "base/error.h"
#include "base/text.h"
#include "network/generation.h"
#include "network/notes.h"

namespace aether2onnx {

std::string_view to_string(NormType type) noexcept {
  return type == NormType::deployment ? "deployment" : "layernorm";
}

std::string_view to_string(Quantization quantization) noexcept {
  switch (quantization) {
    case Quantization::none:
      return "none";
    case Quantization::qat:
      return "qat";
    case Quantization::int8:
      return "int8";
  }
  return "none";
}

}  // namespace aether2onnx

namespace aether2onnx::network {

using state_dict::Entry;
using state_dict::StateDict;

// --- the table of generations -----------------------------------------------------------------

namespace {

const std::array kGenerations = {&kGeneration1,  &kGeneration2,      &kGeneration3,
                                 &kGeneration4,  &kGeneration5First, &kGeneration5,
                                 &kGeneration5x, &kGeneration6,      &kGeneration7};

}  // namespace

// --- building a description -------------------------------------------------------------------

Expression Expression::stored(std::string key) { return {Kind::stored, std::move(key), 0, {}}; }

Expression Expression::constant(double number) { return {Kind::constant, {}, number, {}}; }

Expression Expression::of(Kind kind, Expression a) { return {kind, {}, 0, {std::move(a)}}; }

Expression Expression::of(Kind kind, Expression a, Expression b) {
  return {kind, {}, 0, {std::move(a), std::move(b)}};
}

ParameterId Network::add_parameter(std::string name, std::vector<std::int64_t> shape,
                                   Expression value) {
  parameters.push_back({std::move(name), std::move(shape), std::move(value)});
  return parameters.size() - 1;
}

ValueId Network::add(std::string path, Operation operation, std::vector<ValueId> inputs) {
  modules.push_back({std::move(path), std::move(operation), std::move(inputs)});
  return modules.size();
}

// --- what a file is that isn't read -----------------------------------------------------------

namespace {

bool any_key(const StateDict& state_dict, bool (*matches)(std::string_view key)) {
  const auto& entries = state_dict.entries();
  return std::any_of(entries.begin(), entries.end(),
                     [&](const Entry& entry) { return matches(entry.name); });
}

struct OtherNetwork {
  bool (*matches)(const StateDict& state_dict);
  const char* name;
};

// Fingerprints of networks that people have files of beside AetherNet's.
const std::array kOtherNetworks = {
    OtherNetwork{[](const StateDict& s) {
                   return any_key(s, [](std::string_view key) {
                     return key.starts_with("body.0.rdb1.") ||
                            key.find(".sub.0.RDB1.") != std::string_view::npos;
                   });
                 },
                 "an ESRGAN or Real-ESRGAN network (RRDBNet)"},
    OtherNetwork{[](const StateDict& s) {
                   return any_key(s, [](std::string_view key) {
                     return key.find(".attn.qkv.") != std::string_view::npos ||
                            key.find("relative_position_bias_table") != std::string_view::npos;
                   });
                 },
                 "a transformer network (SwinIR, HAT or one like them)"},
    OtherNetwork{[](const StateDict& s) {
                   return any_key(s, [](std::string_view key) {
                     return key.starts_with("block_1.c1_r.") || key.starts_with("conv_1.eval_conv");
                   });
                 },
                 "a SPAN network"},
    OtherNetwork{[](const StateDict& s) {
                   return any_key(s, [](std::string_view key) {
                     return key.starts_with("feats.0.") || key.starts_with("feats.1.");
                   });
                 },
                 "a PLKSR or RealPLKSR network"},
    OtherNetwork{[](const StateDict& s) {
                   return any_key(
                       s, [](std::string_view key) { return key.ends_with(".weight_orig"); });
                 },
                 "a discriminator (net_d), which only training needs"},
    OtherNetwork{[](const StateDict& s) {
                   return s.find("body.0.weight") != nullptr && s.find("body.1.weight") != nullptr;
                 },
                 "a compact network (SRVGGNetCompact)"},
};

std::string some_keys(const StateDict& state_dict) {
  constexpr std::size_t shown = 4;
  std::string text;
  const auto& entries = state_dict.entries();
  for (std::size_t i = 0; i < std::min(entries.size(), shown); ++i) {
    text += (i == 0 ? "" : ", ") + printable(entries[i].name, 60);
  }
  return text + (entries.size() > shown ? ", …" : "");
}

[[noreturn]] void explain_other(const StateDict& state_dict) {
  constexpr const char* remedy = "Give a checkpoint of an AetherNet (keys layers.… or stages.…).";
  for (const OtherNetwork& other : kOtherNetworks) {
    if (other.matches(state_dict)) {
      fail(ErrorKind::unsupported, "the file is {}, not AetherNet.\n{}", other.name, remedy);
    }
  }
  fail(ErrorKind::unsupported, "the file is a network that isn't AetherNet ({}: {}).\n{}",
       plural(state_dict.entries().size(), "key"), some_keys(state_dict), remedy);
}

// --- which generation ---------------------------------------------------------------------------

bool has_name(const Generation& generation, std::string_view name) {
  return std::any_of(generation.names.begin(), generation.names.end(),
                     [&](const char* known) { return name == known; });
}

std::string names_of(const Generation& generation) {
  std::string text;
  for (const char* name : generation.names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

// The row that the user names. Its keys must be the file's.
const Generation* asked_for(const View& view, const std::string& name) {
  const Generation* asked = nullptr;
  std::string fitting;
  for (const Generation* generation : kGenerations) {
    if (has_name(*generation, name)) asked = generation;
    if (generation->fits(view)) fitting += (fitting.empty() ? "" : ", ") + names_of(*generation);
  }
  require(asked != nullptr, "options that weren't validated");
  if (!fitting.empty() && !asked->fits(view)) {
    fail(ErrorKind::mismatch,
         "--generation {} was given, but the checkpoint's keys are those of {}.\n"
         "Leave the option out (it is read from the checkpoint), or give the right file.",
         name, fitting);
  }
  return fitting.empty() ? nullptr : asked;
}

const Generation* generation_of(const View& view, const ReadOptions& options) {
  if (options.generation) return asked_for(view, *options.generation);
  for (const Generation* generation : kGenerations) {
    const std::string* note = view.note("generation");
    if (note != nullptr && has_name(*generation, *note) && generation->fits(view)) {
      return generation;
    }
  }
  for (const Generation* generation : kGenerations) {
    if (generation->fits(view) && generation->is_likely(view)) return generation;
  }
  return nullptr;
}

}  // namespace

Network recognise(const StateDict& state_dict, const ReadOptions& options) {
  const View view(state_dict);
  const Generation* generation = generation_of(view, options);
  if (generation == nullptr) explain_other(state_dict);
  Network network = generation->describe(view, options);
  if (view.quantization() == Quantization::int8 && !options.dequantize) {
    fail(ErrorKind::unsupported,
         "the file is an AetherNet {} converted to int8. Conversion to an ONNX file with int8 "
         "operators (QuantizeLinear, DequantizeLinear) comes with a later version.\n"
         "Give --dequantize to take its weights as the float numbers that they stand for, or the "
         "float checkpoint that it was made from.",
         network.facts.generation);
  }
  return network;
}

std::optional<Network> recognise(const Outline& outline, const NetworkInfo& hint) {
  // The generation that the file notes first, since others' graphs have the same steps.
  for (const Generation* generation : kGenerations) {
    if (!has_name(*generation, hint.generation)) continue;
    if (auto network = generation->recognise(outline, hint)) return network;
  }
  std::optional<Network> found;
  for (const Generation* generation : kGenerations) {
    if (auto network = generation->recognise(outline, hint)) found = std::move(network);
  }
  return found;
}

// --- names --------------------------------------------------------------------------------------

const std::vector<std::string>& generation_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result;
    for (const Generation* generation : kGenerations) {
      result.insert(result.end(), generation->names.begin(), generation->names.end());
    }
    return result;
  }();
  return names;
}

// The last generation has the most of them, in order of their size.
const std::vector<std::string>& named_variants() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result;
    for (std::size_t i = kGenerations.size(); i-- > 0;) {
      for (const Variant& variant : kGenerations.at(i)->variants) {
        if (std::find(result.begin(), result.end(), variant.name) == result.end()) {
          result.emplace_back(variant.name);
        }
      }
    }
    return result;
  }();
  return names;
}

std::string variant_of(std::span<const Variant> variants, const NetworkInfo& facts) {
  const auto is_attention = [](const std::optional<bool>& wanted, bool found) {
    return !wanted || *wanted == found;
  };
  for (const Variant& variant : variants) {
    const std::vector<std::int64_t> depths(static_cast<std::size_t>(variant.groups),
                                           variant.blocks);
    const bool fits = variant.embed_dim == facts.embed_dim && depths == facts.depths &&
                      variant.hidden_dim == facts.hidden_dim &&
                      variant.large_kernel == facts.large_kernel &&
                      (facts.small_kernel == 0 || variant.small_kernel == facts.small_kernel) &&
                      is_attention(variant.channel_attention, facts.has("channel_attention")) &&
                      is_attention(variant.spatial_attention, facts.has("spatial_attention"));
    if (fits) return variant.name;
  }
  return "custom";
}

std::vector<std::int64_t> depths_of_variant(std::span<const Variant> variants, NetworkInfo facts) {
  const std::int64_t blocks =
      std::accumulate(facts.depths.begin(), facts.depths.end(), std::int64_t{0});
  for (const Variant& variant : variants) {
    if (variant.groups * variant.blocks != blocks) continue;
    facts.depths.assign(static_cast<std::size_t>(variant.groups), variant.blocks);
    if (variant_of(variants, facts) == variant.name) return facts.depths;
  }
  return {};
}

// --- what is open -------------------------------------------------------------------------------

std::vector<std::string> open_questions(const NetworkInfo& facts) {
  std::vector<std::string> lines;
  for (const Evidence& evidence : facts.evidence) {
    if (evidence.certain) continue;
    lines.push_back(fmt::format("taken for {} {}: {} (--{} decides otherwise)", evidence.what,
                                evidence.value, evidence.because, evidence.what));
  }
  return lines;
}

// --- what a network was fused from ---------------------------------------------------------------

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
  // The first generation's keys tell all of it.
  if (facts.generation != kGeneration1.names.front()) {
    notes.emplace_back(kGenerationNote, facts.generation);
  }
  const auto res_scale = facts.numbers.find("res_scale");
  if (res_scale != facts.numbers.end()) {
    notes.emplace_back(kResScaleNote, fmt::format("{}", res_scale->second));
  }
  const double img_range = facts.number("img_range", 1);
  if (img_range != 1) notes.emplace_back(kImgRangeNote, fmt::format("{}", img_range));
  return notes;
}

// --- options against the network --------------------------------------------------------------

void check_options(const Network& network, const Expectations& expected) {
  const NetworkInfo& facts = network.facts;
  std::vector<std::string> findings;
  if (expected.model_type && *expected.model_type != facts.model_type) {
    findings.push_back(fmt::format(
        "--model_type {} was given, but the checkpoint is {} (embed_dim {}, depths {}, hidden {}, "
        "kernel {})",
        printable(*expected.model_type),
        facts.model_type == "custom" ? "no named variant" : facts.model_type, facts.embed_dim,
        join(facts.depths), facts.hidden_dim, facts.large_kernel));
  }
  if (expected.scale && *expected.scale != facts.scale) {
    findings.push_back(fmt::format("--scale {} was given, but the checkpoint's scale is {}",
                                   *expected.scale, facts.scale));
  }
  if (expected.input_channels && *expected.input_channels != facts.input_channels) {
    findings.push_back(fmt::format("--input_channels {} was given, but the checkpoint has {}",
                                   *expected.input_channels, facts.input_channels));
  }
  if (findings.empty()) return;
  const std::string message =
      join(findings, ";\n") +
      ".\nLeave the option out (it is read from the checkpoint), or give the right file.";
  throw Error(ErrorKind::mismatch, message, std::move(findings));
}

}  // namespace aether2onnx::network
