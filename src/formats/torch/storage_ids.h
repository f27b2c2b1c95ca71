/// @file
/// Reads the references by which a pickle names the storages of tensors. Private to this folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/dtype.h"
#include "formats/pickle/pickle.h"

namespace aether2onnx::torch {

/// A reference to a storage: the persistent id ('storage', class, key, location, elements[, view]).
/// Source: torch/serialization.py, persistent_id of _save and _legacy_save.
struct StorageId {
  std::string_view module;  ///< The module of the storage's class.
  std::string_view name;    ///< The name of the storage's class.
  std::string_view key;
  std::uint64_t elements = 0;  ///< Of the whole storage; for an UntypedStorage: bytes.

  /// A part of a storage that is used like a storage: (key, offset in elements, number of
  /// elements). Files from before PyTorch 0.4 have such parts.
  struct View {
    std::string_view key;
    std::uint64_t offset = 0;
    std::uint64_t elements = 0;
  };
  std::optional<View> view;

  /// Returns whether the storage's class is UntypedStorage.
  bool untyped() const;
  /// Returns the type of the elements; nullopt if the storage's class is untyped or unknown.
  std::optional<DType> dtype() const;
  /// Returns the bytes of one element, 1 for an untyped storage; nullopt if the class is unknown.
  std::optional<std::size_t> element_size() const;
};

/// Reads a reference to a storage. Returns nullopt if `value` is no well-formed reference, or if
/// the reference's view reaches beyond the storage.
std::optional<StorageId> storage_id(const pickle::Document& document, pickle::ValueId value);

/// Returns the name of PyTorch's storage class for a type, for example "FloatStorage".
std::string_view storage_class(DType dtype);

}  // namespace aether2onnx::torch
