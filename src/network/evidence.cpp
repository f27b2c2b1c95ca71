#include "network/evidence.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "network/keys.h"
#include "network/notes.h"

namespace aether2onnx::network {

namespace {

// A text in the file that should contain a number, and where in the file the text was found.
struct Source {
  const std::string* text;
  std::string where;
  bool assumed = false;  // a note says that the number was an assumption
};

Source attribute_source(const FloatStateDict& file, const std::string& name) {
  return {file.attribute(name), place_of_attribute(name)};
}

Source config_source(const FloatStateDict& file, const std::string& name) {
  const std::string attribute = "arch_config/" + name;
  const bool is_attribute = file.attribute(attribute) != nullptr;
  return {file.arch_config(name), is_attribute ? place_of_attribute(attribute) : "arch_config"};
}

Source block_source(const std::optional<Attribute>& attribute) {
  if (!attribute) return {nullptr, {}};
  return {&attribute->text, place_of_attribute(attribute->name)};
}

Source note_source(const FloatStateDict& file, std::string_view note, std::string_view what) {
  return {file.note(note), "the note that fuse wrote into the checkpoint", was_assumed(file, what)};
}

// Returns whether two texts are equal, or are equal numbers, for example "2" and "2.0".
bool same_value(const std::string& says, const std::string& found) {
  const auto a = parse_number<double>(says);
  const auto b = parse_number<double>(found);
  return says == found || (a && b && *a == *b);
}

std::optional<Decided> stated(std::initializer_list<Source> sources, const char* what,
                              std::vector<std::string>& warnings) {
  for (const Source& source : sources) {
    if (source.text == nullptr) continue;
    const auto number = parse_number<double>(*source.text);
    if (number && *number > 0 && std::isfinite(*number)) {
      return Decided{
          *number,
          source.assumed
              ? fmt::format("{} says that the original checkpoint did not state this value",
                            source.where)
              : fmt::format("stated in {}", source.where),
          !source.assumed};
    }
    warnings.push_back(
        fmt::format("{} has {} {}, which is not a number above 0; the value is ignored",
                    source.where, what, printable(*source.text)));
  }
  return std::nullopt;
}

}  // namespace

bool was_assumed(const FloatStateDict& file, std::string_view what) {
  const std::string* note = file.note(kAssumedNote);
  return note != nullptr && is_one_of(*note, what, ',');
}

std::string place_of_attribute(std::string_view name) {
  return fmt::format("the attribute {} of the pickled network", printable(name));
}

std::optional<Attribute> attribute_of_blocks(const FloatStateDict& file, std::string_view suffix,
                                             bool of_body) {
  std::vector<Attribute> all;
  for (const auto& [name, text] : file.attributes()) {
    const auto key = parse_block_key(name, "stages.");
    const bool wanted = key ? key->suffix == suffix : of_body && name == suffix;
    if (wanted && *text != "None") all.push_back({std::string(name), *text});
  }
  if (all.empty()) return std::nullopt;
  // Sorts the attributes, so that the result does not depend on the hash table's order.
  std::sort(all.begin(), all.end(),
            [](const Attribute& a, const Attribute& b) { return a.name < b.name; });
  for (const Attribute& other : all) {
    const Attribute& first = all.front();
    if (same_value(first.text, other.text)) continue;
    fail({ErrorKind::unsupported, "network-attributes-differ", other.name, first.text, other.text},
         "the file is a pickled network whose attribute {} is {}, but {} is {}. All blocks must "
         "have the same value.\nSave the network with the same value in all blocks.",
         printable(first.name), printable(first.text), printable(other.name),
         printable(other.text));
  }
  return all.front();
}

void add_evidence(NetworkInfo& facts, std::string what, std::string value, std::string because,
                  bool certain) {
  facts.evidence.push_back(
      {std::move(what), std::move(value), std::move(because), certain, certain});
}

void add_evidence(NetworkInfo& facts, const char* what, const Decided& decided) {
  add_evidence(facts, what, fmt::format("{}", decided.value), decided.because, decided.certain);
  facts.evidence.back().stated = decided.stated && decided.certain;
}

Decided decide_res_scale(const FloatStateDict& file, const ReadOptions& options, Decided otherwise,
                         std::vector<std::string>& warnings) {
  if (options.res_scale) return {*options.res_scale, option("res_scale")};
  const auto of_blocks = attribute_of_blocks(file, "res_scale", false);
  const auto found =
      stated({block_source(of_blocks), attribute_source(file, "res_scale"),
              config_source(file, "res_scale"), note_source(file, kResScaleNote, "res_scale")},
             "res_scale", warnings);
  return found.value_or(std::move(otherwise));
}

Decided decide_img_range(const FloatStateDict& file, const ReadOptions& options,
                         std::vector<std::string>& warnings) {
  if (options.img_range) return {*options.img_range, option("img_range")};
  const auto found = stated({attribute_source(file, "img_range"),
                             config_source(file, "img_range"),
                             {file.metadata("img_range"), "metadata"},
                             note_source(file, kImgRangeNote, "img_range")},
                            "img_range", warnings);
  return found.value_or(Decided{
      1, "the file does not contain the value; every published network has 1", true, false});
}

Decided decide_norm_eps(const FloatStateDict& file, const ReadOptions& options, Decided otherwise,
                        std::vector<std::string>& warnings) {
  if (options.norm_eps) return {*options.norm_eps, option("norm_eps")};
  const auto of_norms = attribute_of_blocks(file, "norm.eps", true);
  return stated({block_source(of_norms)}, "norm_eps", warnings).value_or(std::move(otherwise));
}

void refuse_res_scale(const ReadOptions& options, std::string_view generation) {
  if (!options.res_scale) return;
  fail({ErrorKind::mismatch, "network-option-unused", "res_scale"},
       "{} {} was given, but the checkpoint is of generation {}. The blocks of this generation do "
       "not multiply their output by a factor.\nLeave the option out.",
       option("res_scale"), *options.res_scale, generation);
}

void refuse_norm_eps(const ReadOptions& options, std::string_view reason) {
  if (!options.norm_eps) return;
  fail({ErrorKind::mismatch, "network-option-unused", "norm_eps"},
       "{} {} was given, but {}.\nLeave the option out.", option("norm_eps"), *options.norm_eps,
       reason);
}

namespace {

struct Claim {
  const char* where;
  const char* what;
  const std::string* says;  // null if the file does not contain the value
  std::string found;        // the value that the shapes of the tensors show
};

std::string python_bool(bool value) { return value ? "True" : "False"; }

}  // namespace

std::vector<std::string> contradictions(const FloatStateDict& file, const NetworkInfo& facts) {
  const auto arch = [&](const char* name) { return file.arch_config(name); };
  const std::string scale = fmt::format("{}", facts.scale);
  const std::string channels = fmt::format("{}", facts.input_channels);
  std::vector<Claim> claims = {
      {"arch_config", "in_chans", arch("in_chans"), channels},
      {"arch_config", "embed_dim", arch("embed_dim"), fmt::format("{}", facts.embed_dim)},
      {"arch_config", "depths", arch("depths"), join(facts.depths)},
      {"arch_config", "scale", arch("scale"), scale},
      {"arch_config", "lk_kernel", arch("lk_kernel"), fmt::format("{}", facts.large_kernel)},
      {"arch_config", "use_channel_attn", arch("use_channel_attn"),
       python_bool(facts.has("channel_attention"))},
      {"arch_config", "use_spatial_attn", arch("use_spatial_attn"),
       python_bool(facts.has("spatial_attention"))},
      {"arch_config", "norm_type", arch("norm_type"), std::string(to_string(facts.norm_type))},
      {"metadata", "in_chans", file.metadata("in_chans"), channels},
      {"metadata", "scale", file.metadata("scale"), scale},
  };
  if (facts.small_kernel != 0) {
    claims.push_back(
        {"arch_config", "sk_kernel", arch("sk_kernel"), fmt::format("{}", facts.small_kernel)});
  }
  std::vector<std::string> lines;
  const auto tell = [&](const std::string& where, std::string_view what, std::string_view says,
                        std::string_view found) {
    lines.push_back(fmt::format(
        "{} says {} {}, but the shapes of the tensors show {}; aether2onnx uses the shapes", where,
        what, printable(says), found));
  };
  for (const Claim& claim : claims) {
    if (claim.says != nullptr && !same_value(*claim.says, claim.found)) {
      tell(claim.where, claim.what, *claim.says, claim.found);
    }
  }
  if (const std::string* ratio = arch("mlp_ratio")) {
    const auto number = parse_number<double>(*ratio);
    const double hidden = number ? std::floor(static_cast<double>(facts.embed_dim) * *number) : -1;
    if (hidden != static_cast<double>(facts.hidden_dim)) {
      tell("arch_config", "mlp_ratio", *ratio, fmt::format("hidden width {}", facts.hidden_dim));
    }
  }
  for (const char* name : {"scale_tensor", "scale"}) {
    const auto values = file.integers(name);
    if (values && values->size() == 1 && values->front() != facts.scale) {
      tell("the file", name, fmt::format("{}", values->front()), scale);
    }
  }
  return lines;
}

}  // namespace aether2onnx::network
