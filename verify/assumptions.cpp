#include "assumptions.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "metadata.h"

namespace aether2onnx::verify {

namespace {

constexpr std::array kOpenFacts = {"generation", "res_scale", "norm_eps", "img_range"};

const Evidence* find(const NetworkInfo& facts, std::string_view what) {
  const auto found = std::find_if(facts.evidence.begin(), facts.evidence.end(),
                                  [&](const Evidence& each) { return each.what == what; });
  return found == facts.evidence.end() ? nullptr : &*found;
}

// Returns whether the setting `what` is open: the network has this setting, but the checkpoint does
// not state its value, or the value is only an assumption.
bool is_open(const NetworkInfo& facts, std::string_view what) {
  const Evidence* evidence = find(facts, what);
  return evidence != nullptr && !(evidence->certain && evidence->stated);
}

bool is_generation(const std::string& name) {
  const std::vector<std::string>& names = network::generation_names();
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_given(const ReadOptions& options, std::string_view what) {
  if (what == "generation") return options.generation.has_value();
  if (what == "res_scale") return options.res_scale.has_value();
  if (what == "norm_eps") return options.norm_eps.has_value();
  return options.img_range.has_value();
}

// Returns the settings of the network in the checkpoint, with defaults for settings that the
// checkpoint lacks. Uses only the options params_key and dequantize of `given`. If `generation` is
// set, the network is recognised as this generation.
NetworkInfo facts_of_file(const state_dict::StateDict& state_dict, const ReadOptions& given,
                          const std::optional<std::string>& generation) {
  ReadOptions bare;
  bare.params_key = given.params_key;
  bare.dequantize = given.dequantize;
  bare.generation = generation;
  return network::recognise(state_dict, bare).facts;
}

// Returns whether the checkpoint's keys fit `generation`. The check is needed because `generation`
// comes from the model's metadata: anybody can write metadata, so the generation may be wrong.
bool suits(const state_dict::StateDict& state_dict, const ReadOptions& given,
           const std::string& generation) {
  if (!is_generation(generation)) return false;
  try {
    facts_of_file(state_dict, given, generation);
    return true;
  } catch (const Error& error) {
    if (error.kind == ErrorKind::cancelled) throw;
    return false;
  }
}

std::string because_of(const Evidence& final, const Evidence* of_file) {
  if (of_file == nullptr) return final.because;
  if (of_file->certain && of_file->stated) {
    return fmt::format("the checkpoint says {} ({})", of_file->value, of_file->because);
  }
  if (of_file->value == final.value) return of_file->because;
  return fmt::format("the default is {} ({})", of_file->value, of_file->because);
}

}  // namespace

std::string text_of(const Assumption& assumption) {
  const char* origin = ", the default";
  if (assumption.origin == "option") origin = ", from the option";
  if (assumption.origin == "metadata") origin = ", as the model's metadata say";
  return fmt::format("{} {}{}: {}", assumption.what, assumption.value, origin, assumption.because);
}

Settled settle(const state_dict::StateDict& state_dict, const onnx::Model& model,
               const ReadOptions& given) {
  const NetworkInfo own = facts_of_file(state_dict, given, {});
  const metadata::Assumed noted = metadata::assumed(model);
  ReadOptions taken = given;
  // If `taken.generation` is set, network::recognise() treats norm_eps (the epsilon of the norms)
  // as certain, because the generation determines norm_eps. So `taken.generation` stays unset if
  // the generation in the metadata is equal to the default (`own.generation`). The converter that
  // wrote the metadata may have assumed the same default, so such metadata do not prove the
  // generation, and norm_eps must not count as certain.
  if (!given.generation && noted.generation && is_open(own, "generation") &&
      *noted.generation != own.generation && suits(state_dict, given, *noted.generation)) {
    taken.generation = noted.generation;
  }
  const NetworkInfo of_file = facts_of_file(state_dict, given, taken.generation);
  const auto take = [&](const char* what, std::optional<double>& option,
                        const std::optional<double>& number) {
    const bool folded =
        std::string_view(what) == "norm_eps" && of_file.numbers.contains("folded_norm_eps");
    if (!option && number && is_open(of_file, what) && !folded) option = number;
  };
  take("res_scale", taken.res_scale, noted.res_scale);
  take("norm_eps", taken.norm_eps, noted.norm_eps);
  take("img_range", taken.img_range, noted.img_range);

  Settled settled{network::recognise(state_dict, taken), {}, taken};
  for (const char* what : kOpenFacts) {
    const Evidence* evidence = find(settled.network.facts, what);
    if (evidence == nullptr) continue;
    const bool is_name = std::string_view(what) == "generation";
    const Evidence* by_file = find(is_name ? own : of_file, what);
    if (by_file != nullptr && by_file->certain && by_file->value == evidence->value) continue;
    const bool is_default = by_file != nullptr && by_file->value == evidence->value;
    const char* origin = is_given(given, what) ? "option" : is_default ? "default" : "metadata";
    settled.assumptions.push_back({what, evidence->value, origin, because_of(*evidence, by_file)});
  }
  return settled;
}

}  // namespace aether2onnx::verify
