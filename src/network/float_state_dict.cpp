#include "network/float_state_dict.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/text.h"

namespace aether2onnx::network {

using state_dict::Entry;
using state_dict::StateDict;

namespace {

constexpr std::string_view kScale = ".scale";
constexpr std::string_view kZeroPoint = ".zero_point";

// Returns whether the key belongs to a module that torch.ao.quantization's prepare_qat adds.
bool is_of_fake_quant(std::string_view name) {
  return name.find("weight_fake_quant") != std::string_view::npos ||
         name.find("activation_post_process") != std::string_view::npos;
}

bool has_one_element(const Entry* entry) {
  return entry != nullptr && entry->tensor && entry->tensor->elements == 1;
}

// Returns whether the entry is the scale or the zero point of a quantized module's output. A module
// M has both keys, `M.scale` and `M.zero_point`, with one element each.
bool is_activation_quantization(const StateDict& state_dict, const Entry& entry) {
  for (const auto& [own, other] : {std::pair{kScale, kZeroPoint}, std::pair{kZeroPoint, kScale}}) {
    if (!entry.name.ends_with(own) || !has_one_element(&entry)) continue;
    const std::string module = entry.name.substr(0, entry.name.size() - own.size());
    if (has_one_element(state_dict.find(module + std::string(other)))) return true;
  }
  return false;
}

bool is_int8(const StateDict& state_dict) {
  const auto& entries = state_dict.entries();
  const bool has_quantized = std::any_of(entries.begin(), entries.end(), [](const Entry& entry) {
    return entry.tensor && entry.tensor->is_quantized();
  });
  return has_quantized || (state_dict.find("conv_first.scale") != nullptr &&
                           state_dict.find("conv_first.zero_point") != nullptr);
}

constexpr std::string_view kArchConfig = "arch_config/";

std::string arch_config_key(std::string_view name) {
  return std::string(kArchConfig) + std::string(name);
}

std::array<std::string, 2> arch_config_paths(std::string_view name) {
  return {arch_config_key(name), "metadata/" + arch_config_key(name)};
}

}  // namespace

FloatStateDict::FloatStateDict(const StateDict& state_dict) : state_dict_(state_dict) {
  const auto& entries = state_dict.entries();
  if (is_int8(state_dict)) {
    quantization_ = Quantization::int8;
  } else if (std::any_of(entries.begin(), entries.end(),
                         [](const Entry& entry) { return is_of_fake_quant(entry.name); })) {
    quantization_ = Quantization::qat;
  }
  for (const Entry& entry : entries) {
    if (is_quantization_entry(entry)) {
      dropped_.insert(entry.name);
    } else {
      entries_.push_back(&entry);
    }
  }
  for (const auto& [name, text] : state_dict.attributes()) attributes_[name] = &text;
}

bool FloatStateDict::is_quantization_entry(const Entry& entry) const {
  if (quantization_ == Quantization::none) return false;
  if (is_of_fake_quant(entry.name)) return true;
  if (quantization_ != Quantization::int8) return false;
  // In an int8 file, each Linear has an entry `dtype`, and each Conv2d without a bias has an entry
  // `bias` with the value None. Both entries contain no weight, so FloatStateDict leaves them out.
  const bool is_note = entry.name.ends_with("._packed_params.dtype") ||
                       (entry.name.ends_with(".bias") && entry.problem.starts_with("is None"));
  return is_note || is_activation_quantization(state_dict_, entry);
}

const Entry* FloatStateDict::find(std::string_view name) const {
  return dropped_.contains(name) ? nullptr : state_dict_.find(name);
}

bool FloatStateDict::has_module(std::string_view name) const {
  const auto has = [&](std::string_view path) { return is_one_of(path, name, '.'); };
  const auto& modules = state_dict_.modules();
  return std::any_of(modules.begin(), modules.end(), has) ||
         std::any_of(dropped_.begin(), dropped_.end(), has);
}

const std::string* FloatStateDict::attribute(const std::string& name) const {
  const auto found = attributes_.find(name);
  return found == attributes_.end() || *found->second == "None" ? nullptr : found->second;
}

const std::string* FloatStateDict::fact(std::span<const std::string> paths,
                                        bool may_be_none) const {
  for (const std::string& path : paths) {
    for (const auto& [name, text] : state_dict_.metadata()) {
      if (name == path && (may_be_none || text != "None")) return &text;
    }
  }
  return nullptr;
}

const std::string* FloatStateDict::note(std::string_view name) const {
  return fact(std::array{std::string(name)});
}

const std::string* FloatStateDict::arch_config(std::string_view name) const {
  if (const std::string* text = attribute(arch_config_key(name))) return text;
  return fact(arch_config_paths(name));
}

bool FloatStateDict::arch_config_has(std::string_view name) const {
  return attributes_.contains(arch_config_key(name)) ||
         fact(arch_config_paths(name), true) != nullptr;
}

const std::string* FloatStateDict::metadata(std::string_view name) const {
  return fact(std::array{"metadata/" + std::string(name)});
}

bool FloatStateDict::has_arch_config() const {
  const auto is_of_config = [](const auto& attribute) {
    return attribute.first.starts_with(kArchConfig);
  };
  if (std::any_of(attributes_.begin(), attributes_.end(), is_of_config)) return true;
  return std::any_of(state_dict_.metadata().begin(), state_dict_.metadata().end(),
                     [](const auto& fact) {
                       return fact.first.starts_with(kArchConfig) ||
                              fact.first.starts_with("metadata/arch_config/");
                     });
}

std::optional<std::vector<std::int64_t>> FloatStateDict::integers(std::string_view name) const {
  constexpr std::int64_t most = 16;
  const Entry* entry = find(name);
  if (entry == nullptr || !entry->tensor || entry->tensor->dtype != DType::int64 ||
      entry->tensor->elements > most) {
    return std::nullopt;
  }
  const TensorData data = state_dict_.read(*entry);
  std::vector<std::int64_t> values(data.bytes.size() / sizeof(std::int64_t));
  if (!values.empty()) std::memcpy(values.data(), data.bytes.data(), data.bytes.size());
  return values;
}

std::optional<std::vector<double>> FloatStateDict::numbers(std::string_view name) const {
  const Entry* entry = find(name);
  if (entry == nullptr || !entry->tensor || !is_weight_dtype(entry->tensor->read_dtype())) {
    return std::nullopt;
  }
  const TensorData data = state_dict_.read(*entry);
  return to_doubles(data.bytes, data.dtype);
}

}  // namespace aether2onnx::network
