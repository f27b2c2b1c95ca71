/// @file
/// A state dict as the generations look at it: without what quantization left beside the weights.
/// Private to this stage.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "network/network.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::network {

class View {
 public:
  /// Drops entries of fake-quant modules and observers, and of a network in int8 the quantization
  /// of activations. `state_dict` must outlive it.
  explicit View(const state_dict::StateDict& state_dict);

  std::span<const state_dict::Entry* const> entries() const { return entries_; }
  const state_dict::Entry* find(std::string_view name) const;
  bool has(std::string_view name) const { return find(name) != nullptr; }
  /// Whether any entry's name fits.
  template <typename Matches>
  bool any_key(Matches matches) const {
    for (const state_dict::Entry* entry : entries_) {
      if (matches(std::string_view(entry->name))) return true;
    }
    return false;
  }

  Quantization quantization() const { return quantization_; }
  std::size_t dropped() const { return dropped_.size(); }

  /// Whether a module is called so, at any depth: as PyTorch noted it, or as dropped entries are.
  bool has_module(std::string_view name) const;

  /// What the file says of itself, at the root or in the dict `arch_config` or `metadata`;
  /// of several the first. Nothing where it says None.
  const std::string* note(std::string_view name) const;  ///< "generation", at the root alone.
  const std::string* arch_config(std::string_view name) const;
  const std::string* release(std::string_view name) const;  ///< Of `metadata`.
  bool has_arch_config() const;
  /// Whether arch_config has such a key, be it with None.
  bool arch_config_has(std::string_view name) const;

  /// The elements of a small tensor of integers; nothing where there is none, or it isn't one.
  std::optional<std::vector<std::int64_t>> integers(std::string_view name) const;

 private:
  bool is_quantization_entry(const state_dict::Entry& entry) const;
  const std::string* fact(std::span<const std::string> paths, bool may_be_none = false) const;

  const state_dict::StateDict& state_dict_;
  Quantization quantization_ = Quantization::none;
  std::vector<const state_dict::Entry*> entries_;
  std::unordered_set<std::string_view> dropped_;
};

}  // namespace aether2onnx::network
