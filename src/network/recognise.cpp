#include <algorithm>
#include <array>
#include <unordered_set>

#include "base/error.h"
#include "base/text.h"
#include "network/generation.h"

namespace aether2onnx::network {

using state_dict::Entry;
using state_dict::StateDict;

// --- the table of generations -----------------------------------------------------------------

namespace {

const std::array kGenerations = {&kGeneration1};

}  // namespace

// --- building a description -------------------------------------------------------------------

Expression Expression::stored(std::string key) { return {Kind::stored, std::move(key), {}}; }

Expression Expression::add(Expression a, Expression b) {
  return {Kind::add, {}, {std::move(a), std::move(b)}};
}

Expression Expression::centred_add(Expression large, Expression small) {
  return {Kind::centred_add, {}, {std::move(large), std::move(small)}};
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

// --- strict comparison ------------------------------------------------------------------------

void check_strictly(const StateDict& state_dict, const std::vector<ExpectedTensor>& expected,
                    const std::string& what) {
  std::vector<std::string> findings;
  std::unordered_set<std::string_view> known;
  for (const ExpectedTensor& want : expected) {
    known.insert(want.name);
    const Entry* entry = state_dict.find(want.name);
    if (entry == nullptr) {
      findings.push_back(fmt::format("missing key: {} {}", want.name, shape_text(want.shape)));
    } else if (!entry->tensor) {
      findings.push_back(fmt::format("no usable tensor: {} {}", want.name, entry->problem));
    } else if (entry->tensor->shape != want.shape) {
      findings.push_back(fmt::format("wrong shape: {} is {}, expected {}", want.name,
                                     shape_text(entry->tensor->shape), shape_text(want.shape)));
    } else if (!is_weight_dtype(entry->tensor->dtype) || entry->tensor->quantized) {
      findings.push_back(
          fmt::format("wrong type: {} is {}, expected float32, float16, bfloat16 or float64",
                      want.name, to_string(entry->tensor->dtype)));
    }
  }
  for (const Entry& entry : state_dict.entries()) {
    if (!known.contains(entry.name)) {
      findings.push_back(fmt::format(
          "unexpected key: {} {}", printable(entry.name),
          entry.tensor ? shape_text(entry.tensor->shape) : fmt::format("({})", entry.problem)));
    }
  }
  if (findings.empty()) return;
  std::string message =
      fmt::format("the file is {}, but its state dict doesn't fit that network ({}):", what,
                  plural(findings.size(), "difference"));
  for (const std::string& finding : findings) message += "\n  " + finding;
  throw Error(ErrorKind::mismatch, message, std::move(findings));
}

// --- what a file is that isn't read -----------------------------------------------------------

namespace {

bool any_key(const StateDict& state_dict, bool (*matches)(std::string_view key)) {
  const auto& entries = state_dict.entries();
  return std::any_of(entries.begin(), entries.end(),
                     [&](const Entry& entry) { return matches(entry.name); });
}

bool is_quantization_aware(const StateDict& state_dict) {
  return any_key(state_dict, [](std::string_view key) {
    return key.find("weight_fake_quant") != std::string_view::npos ||
           key.find("activation_post_process") != std::string_view::npos;
  });
}

bool is_int8(const StateDict& state_dict) {
  const auto& entries = state_dict.entries();
  const bool has_quantized = std::any_of(entries.begin(), entries.end(), [](const Entry& entry) {
    return entry.tensor && entry.tensor->quantized;
  });
  return has_quantized ||
         any_key(state_dict,
                 [](std::string_view key) { return key.ends_with("._packed_params"); }) ||
         (state_dict.find("conv_first.scale") != nullptr &&
          state_dict.find("conv_first.zero_point") != nullptr);
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
  constexpr const char* remedy =
      "Give a checkpoint of a first-generation AetherNet (keys layers.…).";
  if (any_key(state_dict, [](std::string_view key) { return key.starts_with("stages.0.0."); })) {
    fail(ErrorKind::unsupported,
         "the file is a later generation of AetherNet (its keys start with stages.), which this "
         "version doesn't convert yet.\n{}",
         remedy);
  }
  for (const OtherNetwork& other : kOtherNetworks) {
    if (other.matches(state_dict)) {
      fail(ErrorKind::unsupported, "the file is {}, not AetherNet.\n{}", other.name, remedy);
    }
  }
  fail(ErrorKind::unsupported, "the file is a network that isn't AetherNet ({}: {}).\n{}",
       plural(state_dict.entries().size(), "key"), some_keys(state_dict), remedy);
}

}  // namespace

Network recognise(const StateDict& state_dict) {
  if (is_int8(state_dict)) {
    fail(ErrorKind::unsupported,
         "the file is a network converted to int8, whose float weights are gone; such files aren't "
         "converted yet.\nGive the float checkpoint that it was made from.");
  }
  if (is_quantization_aware(state_dict)) {
    fail(ErrorKind::unsupported,
         "the file is from quantization-aware training (it has fake-quant or observer entries), "
         "which isn't converted yet.\nGive the float checkpoint from before that training.");
  }
  for (const Generation* generation : kGenerations) {
    if (generation->claims(state_dict)) return generation->describe(state_dict);
  }
  explain_other(state_dict);
}

std::optional<Network> recognise(const Outline& outline, const Report::Network& hint) {
  for (const Generation* generation : kGenerations) {
    if (auto network = generation->recognise(outline, hint)) return network;
  }
  return std::nullopt;
}

// --- what a network was fused from ---------------------------------------------------------------

std::string fused_from(const Report::Network& facts) {
  if (facts.small_kernel == 0) return {};
  return fmt::format("depthwise {0}x{0} + {1}x{1}, summed in float64", facts.large_kernel,
                     facts.small_kernel);
}

// --- options against the network --------------------------------------------------------------

void check_options(const Network& network, const CheckpointOptions& options) {
  const Report::Network& facts = network.facts;
  std::vector<std::string> findings;
  if (options.model_type && *options.model_type != facts.model_type) {
    findings.push_back(fmt::format(
        "--model_type {} was given, but the checkpoint is {} (embed_dim {}, depths {}, hidden {}, "
        "kernel {})",
        printable(*options.model_type),
        facts.model_type == "custom" ? "no named variant" : facts.model_type, facts.embed_dim,
        join(facts.depths), facts.hidden_dim, facts.large_kernel));
  }
  if (options.scale && *options.scale != facts.scale) {
    findings.push_back(fmt::format("--scale {} was given, but the checkpoint's scale is {}",
                                   *options.scale, facts.scale));
  }
  if (options.input_channels && *options.input_channels != facts.input_channels) {
    findings.push_back(fmt::format("--input_channels {} was given, but the checkpoint has {}",
                                   *options.input_channels, facts.input_channels));
  }
  if (findings.empty()) return;
  const std::string message =
      join(findings, ";\n") +
      ".\nLeave the option out (it is read from the checkpoint), or give the right file.";
  throw Error(ErrorKind::mismatch, message, std::move(findings));
}

}  // namespace aether2onnx::network
