/// @file
/// The references by which a pickle names the storages of its tensors. Private to this stage.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/dtype.h"
#include "formats/pickle/pickle.h"

namespace aether2onnx::state_dict {

/// A persistent id ('storage', class, key, location, elements[, view]).
/// Source: torch/serialization.py, persistent_id of _save and _legacy_save.
struct StorageId {
  std::string_view module;  ///< Of the class.
  std::string_view name;
  std::string_view key;
  std::uint64_t elements = 0;  ///< Of the whole storage; of an UntypedStorage: bytes.

  /// A part of the storage that is one of its own, as files from before PyTorch 0.4 have them:
  /// (key, offset in elements, elements).
  struct View {
    std::string_view key;
    std::uint64_t offset = 0;
    std::uint64_t elements = 0;
  };
  std::optional<View> view;

  /// Of the class UntypedStorage.
  bool untyped() const;
  /// The elements' type; nothing where the class is untyped or unknown.
  std::optional<DType> dtype() const;
  /// Bytes of one element, 1 of an untyped storage; nothing where the class is unknown.
  std::optional<std::size_t> element_size() const;
};

/// Nothing where `value` is no well-formed reference to a storage, or its view reaches beyond it.
std::optional<StorageId> storage_id(const pickle::Document& document, pickle::ValueId value);

}  // namespace aether2onnx::state_dict
