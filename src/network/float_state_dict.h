/// @file
/// A checkpoint's state dict without the entries that quantization adds beside the weights
/// (observers, scales, zero points). Private to this folder.
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
  /// also the scales and zero points of activations. `state_dict` must outlive this object.
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
  /// Returns the number of entries that the constructor left out.
  std::size_t dropped() const { return dropped_.size(); }

  /// Returns whether a module `name` of the network exists, at any depth. Module names are in the
  /// state dict's `_metadata`, in a pickled network, and in the keys of left-out entries.
  bool has_module(std::string_view name) const;

  /// Returns the text of an attribute, for example "norm.eps", if the file is a network that was
  /// pickled as a Python object. Returns null if the attribute is missing or None.
  const std::string* attribute(const std::string& name) const;
  /// Returns names and texts of all attributes of a pickled network; empty for a plain state dict.
  const std::unordered_map<std::string_view, const std::string*>& attributes() const {
    return attributes_;
  }

  // Each of these functions returns the value `name` as text, or null if the value is missing or
  // None. note() searches the file's top-level dict. metadata() searches the dict `metadata` in the
  // file. arch_config() searches the attribute arch_config of a pickled network, then the dict
  // `arch_config` in the file (or in `metadata`). If a name occurs several times, the functions
  // return the first value.
  const std::string* note(std::string_view name) const;  ///< From the top-level dict.
  const std::string* arch_config(std::string_view name) const;
  const std::string* metadata(std::string_view name) const;
  bool has_arch_config() const;
  /// Returns whether the dict arch_config in the file has the key `name`. The value may be None.
  bool arch_config_has(std::string_view name) const;

  /// Returns the elements of the int64 tensor `name`; nullopt if the file has no int64 tensor of
  /// this name, or if the tensor has more than 16 elements.
  std::optional<std::vector<std::int64_t>> integers(std::string_view name) const;
  /// Returns the elements of the weight `name`; nullopt if the file has no weight of this name.
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
