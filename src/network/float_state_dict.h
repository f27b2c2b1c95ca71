/// @file
/// A state dict without the entries that quantization adds beside the weights. Private to this
/// folder.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "network/network.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::network {

class FloatStateDict {
 public:
  /// Drops the entries of fake-quant modules and observers, and in a network converted to int8 also
  /// the scales and zero points of activations. `state_dict` must outlive this object.
  explicit FloatStateDict(const state_dict::StateDict& state_dict);

  std::span<const state_dict::Entry* const> entries() const { return entries_; }
  const state_dict::Entry* find(std::string_view name) const;
  bool has(std::string_view name) const { return find(name) != nullptr; }
  template <typename Matches>
  bool any_key(Matches matches) const {
    for (const state_dict::Entry* entry : entries_) {
      if (matches(std::string_view(entry->name))) return true;
    }
    return false;
  }

  Quantization quantization() const { return quantization_; }
  /// The number of dropped entries.
  std::size_t dropped() const { return dropped_.size(); }

  /// Returns whether a module at any depth has this name. Names of modules are in PyTorch's
  /// `_metadata`, in a pickled module, and in the keys of the dropped entries.
  bool has_module(std::string_view name) const;

  /// Returns an attribute of the pickled network or of one of its modules ("norm.eps"). Null if the
  /// attribute is missing or None.
  const std::string* attribute(const std::string& name) const;
  /// All attributes of the pickled network: names and texts.
  const std::unordered_map<std::string_view, const std::string*>& attributes() const {
    return attributes_;
  }

  // These functions return a text from the file's root, from the dict `arch_config` or `metadata`.
  // For arch_config(), the attribute arch_config of a pickled network comes first. If a name occurs
  // several times, the first text counts. Null if the text is missing or None.
  const std::string* note(std::string_view name) const;  ///< At the file's root.
  const std::string* arch_config(std::string_view name) const;
  const std::string* metadata(std::string_view name) const;
  bool has_arch_config() const;
  /// Whether arch_config has this key, even if the value is None.
  bool arch_config_has(std::string_view name) const;

  /// Returns the elements of an int64 tensor; nullopt if there is no int64 tensor `name`, or if the
  /// tensor has more than 16 elements.
  std::optional<std::vector<std::int64_t>> integers(std::string_view name) const;
  /// Returns the elements of a weight; nullopt if there is no weight `name`.
  std::optional<std::vector<double>> numbers(std::string_view name) const;

 private:
  bool is_quantization_entry(const state_dict::Entry& entry) const;
  const std::string* fact(std::span<const std::string> paths, bool may_be_none = false) const;

  const state_dict::StateDict& state_dict_;
  Quantization quantization_ = Quantization::none;
  std::vector<const state_dict::Entry*> entries_;
  std::unordered_set<std::string_view> dropped_;
  std::unordered_map<std::string_view, const std::string*> attributes_;
};

}  // namespace aether2onnx::network
