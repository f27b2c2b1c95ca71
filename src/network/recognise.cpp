#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "network/evidence.h"
#include "network/generation.h"
#include "network/network_writer.h"
#include "network/notes.h"

namespace aether2onnx::network {

using state_dict::Entry;
using state_dict::StateDict;

// --- the table of generations -------------------------------------------------------------------

std::span<const Generation* const> generations() {
  static constexpr std::array table = {&kGeneration1,  &kGeneration2,      &kGeneration3,
                                       &kGeneration4,  &kGeneration5First, &kGeneration5,
                                       &kGeneration5x, &kGeneration6,      &kGeneration7};
  return table;
}

// --- building a Network -------------------------------------------------------------------------

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

// --- files that contain another network ---------------------------------------------------------

namespace {

// Returns whether a key of the state dict contains `part`. If `part` begins with "^", a key must
// begin with the rest of `part`. If `part` ends with "$", a key must end with the rest.
bool has_key(const StateDict& state_dict, std::string_view part) {
  const bool at_start = part.starts_with('^');
  const bool at_end = part.ends_with('$');
  if (at_start) part.remove_prefix(1);
  if (at_end) part.remove_suffix(1);
  const auto& entries = state_dict.entries();
  return std::any_of(entries.begin(), entries.end(), [&](const Entry& entry) {
    if (at_start && !entry.name.starts_with(part)) return false;
    if (at_end && !entry.name.ends_with(part)) return false;
    return at_start || at_end || entry.name.find(part) != std::string::npos;
  });
}

// A well-known network that is not an AetherNet. `keys` lists parts of keys (see has_key()),
// separated by blanks. A file that has one of these parts contains the network `name`.
struct OtherNetwork {
  std::string_view keys;
  const char* name;
};
constexpr std::array kOtherNetworks = {
    OtherNetwork{"^body.0.rdb1. .sub.0.RDB1.", "an ESRGAN or Real-ESRGAN network (RRDBNet)"},
    OtherNetwork{".attn.qkv. relative_position_bias_table",
                 "a transformer network (for example SwinIR or HAT)"},
    OtherNetwork{"^block_1.c1_r. ^conv_1.eval_conv", "a SPAN network"},
    OtherNetwork{"^feats.0. ^feats.1.", "a PLKSR or RealPLKSR network"},
    OtherNetwork{".weight_orig$", "a discriminator (net_d), which only training needs"},
};
constexpr const char* kCompact = "a compact network (SRVGGNetCompact)";

// Returns the name of the network in a file without an AetherNet; null if the name is unknown.
const char* name_of_other(const StateDict& state_dict) {
  for (const OtherNetwork& other : kOtherNetworks) {
    for (const std::string_view part : split(other.keys, ' ')) {
      if (has_key(state_dict, part)) return other.name;
    }
  }
  const bool is_compact =
      state_dict.find("body.0.weight") != nullptr && state_dict.find("body.1.weight") != nullptr;
  return is_compact ? kCompact : nullptr;
}

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
  constexpr const char* remedy =
      "Give a checkpoint of an AetherNet (its keys begin with layers. or stages.).";
  if (const char* other = name_of_other(state_dict)) {
    fail({ErrorKind::unsupported, "network-other", "", "AetherNet", other},
         "the file is {}, not AetherNet.\n{}", other, remedy);
  }
  fail({ErrorKind::unsupported, "network-unknown", "", "AetherNet"},
       "the file is a network that isn't AetherNet ({}: {}).\n{}",
       plural(state_dict.entries().size(), "key"), some_keys(state_dict), remedy);
}

// --- choosing the generation --------------------------------------------------------------------

std::string names_of(const Generation& generation) {
  std::string text;
  for (const char* name : generation.names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

// The user's option `generation` is `name`. Returns the row of this generation in the table of
// generations. Returns null if the keys of the file fit no row. Throws Error(mismatch) if the keys
// fit only rows of other generations.
const Generation* asked_for(const FloatStateDict& file, const std::string& name) {
  const Generation* asked = nullptr;
  std::string fitting;
  for (const Generation* generation : generations()) {
    if (has_name(*generation, name)) asked = generation;
    if (generation->fits(file)) fitting += (fitting.empty() ? "" : ", ") + names_of(*generation);
  }
  require(asked != nullptr, "the value of the option 'generation' was not checked");
  if (!fitting.empty() && !asked->fits(file)) {
    fail({ErrorKind::mismatch, "network-generation", "generation", name, fitting},
         "{} {} was given, but the checkpoint's keys are those of {}.\n"
         "Leave the option out (the checkpoint shows its generation), or give the right file.",
         option("generation"), name, fitting);
  }
  return fitting.empty() ? nullptr : asked;
}

const Generation* generation_of(const FloatStateDict& file, const ReadOptions& options) {
  if (options.generation) return asked_for(file, *options.generation);
  const std::string* note = file.note(kGenerationNote);
  for (const Generation* generation : generations()) {
    if (note != nullptr && has_name(*generation, *note) && generation->fits(file)) {
      return generation;
    }
  }
  for (const Generation* generation : generations()) {
    if (generation->fits(file) && generation->is_likely(file)) return generation;
  }
  return nullptr;
}

// --- determining the settings and building the Network ------------------------------------------

// A deployment norm is a norm with stored mean and variance. Returns true if weight and bias of the
// deployment norms already include mean and variance. Also returns the reason for this answer.
std::pair<bool, std::string> norms_are_folded(const FloatStateDict& file, const Dimensions& d,
                                              DeploymentNorm::WhenFused when_fused) {
  if (when_fused != DeploymentNorm::WhenFused::kept) {
    const auto fused = attribute_of_blocks(file, "norm.fused", true);
    if (fused && (fused->text == "True" || fused->text == "False")) {
      return {fused->text == "True", "stated in " + place_of_attribute(fused->name)};
    }
  }
  switch (when_fused) {
    case DeploymentNorm::WhenFused::kept:
      return {false,
              "this generation keeps the mean and variance of the norms, even in fused files"};
    case DeploymentNorm::WhenFused::folded_without_statistics:
      return {!d.has_statistics, d.has_statistics ? "the file has running_mean and running_var"
                                                  : "the file has no running_mean and running_var"};
    case DeploymentNorm::WhenFused::folded_with_statistics:
      break;
  }
  const std::string* built_fused = file.arch_config("fused_init");
  if (d.fused && built_fused != nullptr && *built_fused == "True") {
    return {false,
            "the file's arch_config sets fused_init: the network began with fused convolutions, "
            "and its norms were never folded into weight and bias"};
  }
  return {d.fused, d.fused ? "the convolutions are fused, so the norms are folded"
                           : "the convolutions aren't fused, so the norms aren't folded"};
}

void settle_norms(const FloatStateDict& file, const ReadOptions& options, const Decision& decision,
                  const Dimensions& d, NetworkInfo& facts, std::vector<std::string>& warnings) {
  if (d.layer_norm) {
    refuse_norm_eps(options, "the checkpoint's normalizations have no stored statistics");
    return;
  }
  const auto [folded, because] = norms_are_folded(file, d, decision.settings.norms_when_fused);
  add_evidence(facts, "norms", folded ? "folded" : "with statistics", because);
  if (folded) {
    refuse_norm_eps(options, "the checkpoint's norms are folded into weight and bias already");
    if (d.noted_norm_eps > 0) facts.numbers["folded_norm_eps"] = d.noted_norm_eps;
    if (d.noted_norm_eps > 0 && was_assumed(file, "norm_eps")) {
      add_evidence(
          facts, "norm_eps",
          {d.noted_norm_eps,
           "the command fuse folded this epsilon into weight and bias; its note in the checkpoint "
           "says that the original checkpoint did not state the epsilon",
           false});
    }
    return;
  }
  const Decided eps = decide_norm_eps(file, options, decision.norm_eps, warnings);
  add_evidence(facts, "norm_eps", eps);
  facts.numbers["norm_eps"] = eps.value;
}

// Determines the settings of the network that keys and shapes do not show: from the options, from
// other data in the file, or from the generation's defaults.
Settings settle(const FloatStateDict& file, const ReadOptions& options,
                const Generation& generation, const Decision& decision, const Dimensions& d,
                NetworkInfo& facts, std::vector<std::string>& warnings) {
  add_evidence(facts, "generation", decision.name, decision.because, decision.certain);
  if (decision.res_scale) {
    const Decided res_scale = decide_res_scale(file, options, *decision.res_scale, warnings);
    add_evidence(facts, "res_scale", res_scale);
    facts.numbers["res_scale"] = res_scale.value;
  } else {
    refuse_res_scale(options, decision.name);
  }
  settle_norms(file, options, decision, d, facts, warnings);
  const Decided img_range = decide_img_range(file, options, warnings);
  add_evidence(facts, "img_range", img_range);
  facts.numbers["img_range"] = img_range.value;
  if (decision.settings.without_error_comp) {
    add_evidence(facts, "error_comp", "left out",
                 "the int8 form of this network does not use error_comp, "
                 "a weight of the fusion layer");
  }
  if (file.dropped() > 0 && !generation.keys_tell_all) {
    add_evidence(
        facts, "quantization", std::string(to_string(file.quantization())),
        fmt::format(
            "aether2onnx ignores {} entries (fake-quant modules, observers, activation scales)",
            file.dropped()));
  }
  facts.quantization = file.quantization();
  Settings settings = decision.settings;
  settings.res_scale = facts.number("res_scale", 1);
  settings.img_range = facts.number("img_range", 1);
  settings.norm_eps = facts.number("norm_eps", 0);
  return settings;
}

Network describe(const Generation& generation, const FloatStateDict& file,
                 const ReadOptions& options) {
  const Decision decision = generation.decide(file, options);
  const std::string what = "AetherNet of generation " + decision.name;
  const Dimensions d = generation.measure(file, what);
  NetworkInfo facts = facts_of(d, generation.variants, decision.name);
  std::vector<std::string> warnings;
  const Settings settings = settle(file, options, generation, decision, d, facts, warnings);
  NetworkWriter writer(d, settings, &file);
  generation.forward(writer);
  writer.check_strictly(
      file, fmt::format("an {} ({} x{}, embed_dim {}, depths {})", what, facts.model_type,
                        facts.scale, facts.embed_dim, join(facts.depths)));
  if (!generation.keys_tell_all) {
    const std::vector<std::string> contradicting = contradictions(file, facts);
    warnings.insert(warnings.end(), contradicting.begin(), contradicting.end());
  }
  Network network = writer.take();
  network.facts = std::move(facts);
  network.warnings = std::move(warnings);
  return network;
}

}  // namespace

Network recognise(const StateDict& state_dict, const ReadOptions& options) {
  const FloatStateDict file(state_dict);
  const Generation* generation = generation_of(file, options);
  if (generation == nullptr) explain_other(state_dict);
  Network network = describe(*generation, file, options);
  if (file.quantization() == Quantization::int8 && !options.dequantize) {
    fail({ErrorKind::unsupported, "network-int8", "dequantize"},
         "the file is an AetherNet {} converted to int8. This version cannot write int8 "
         "operators (QuantizeLinear, DequantizeLinear); a later version will.\n"
         "Give {} to convert the weights to float numbers, or give the float checkpoint.",
         network.facts.generation, option("dequantize"));
  }
  return network;
}

}  // namespace aether2onnx::network
