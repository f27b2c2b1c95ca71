/// @file
/// The state dict of a float network: the entries that quantization left beside the weights are
/// left out. Private to this folder.
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
  /// Leaves out the entries of fake-quant modules and observers, and in a network converted to int8
  /// also the scales of activations. `state_dict` must outlive this object.
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
  /// How many entries are left out.
  std::size_t dropped() const { return dropped_.size(); }

  /// Whether a module has this name, at any depth. The names are in PyTorch's notes of the modules,
  /// in a pickled module, and in the keys of the dropped entries.
  bool has_module(std::string_view name) const;

  /// An attribute of the pickled network, or of a module in it: "norm.eps". Null if the file has no
  /// such attribute, or None.
  const std::string* attribute(const std::string& name) const;
  /// All attributes: names and texts.
  const std::unordered_map<std::string_view, const std::string*>& attributes() const {
    return attributes_;
  }

  // What the file says of itself: at its root, or in the dict `arch_config` or `metadata`. The
  // attribute arch_config of a pickled network comes first; then the first of several counts. Null
  // if the file says nothing or None.
  const std::string* note(std::string_view name) const;  ///< At the root.
  const std::string* arch_config(std::string_view name) const;
  const std::string* metadata(std::string_view name) const;
  bool has_arch_config() const;
  /// Whether arch_config has this key, also with None.
  bool arch_config_has(std::string_view name) const;

  /// The elements of a small tensor of integers. Returns nullopt if there is no such tensor.
  std::optional<std::vector<std::int64_t>> integers(std::string_view name) const;
  /// The elements of a tensor of weights. Returns nullopt if there is no such tensor.
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
