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
  std::string_view device;     ///< The device of the storage, for example "cpu" or "cuda:0".
  std::uint64_t elements = 0;  ///< Of the whole storage; for an UntypedStorage: bytes.

  /// The part of the storage that the reference means, if the reference does not mean the whole
  /// storage. The part has its own key. `offset` and `elements` are counted in elements. Files from
  /// before PyTorch 0.4 can have such references to parts.
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
  /// Returns how many elements one byte of the storage has: 2 or 4 for two quantized types, else 1.
  std::uint64_t elements_per_byte() const;
  /// Returns whether PyTorch can load the data of a storage of this device, on this or another
  /// machine. Returns false for unknown devices, and for the device "meta", which has no data.
  bool has_known_device() const;
  /// Returns the size of one element in bytes; 1 if one byte of the storage has several elements or
  /// the storage is untyped. Returns nullopt if the class is unknown.
  std::optional<std::size_t> element_size() const;
};

/// Reads a reference to a storage. Returns nullopt if `value` is no well-formed reference, or if
/// the reference names a part of the storage (a View) that reaches beyond the storage.
std::optional<StorageId> storage_id(const pickle::Document& document, pickle::ValueId value);

/// Returns the type if the value is a torch.dtype that this program reads.
std::optional<DType> named_dtype(const pickle::Document& document, pickle::ValueId value);

/// Returns whether a tensor of the type can require gradients.
bool is_differentiable(DType dtype);

bool is_complex(DType dtype);

/// Returns a similar type of the same size if the value is a torch.dtype that this program does not
/// read; else nullopt. The caller uses the similar type to check that a tensor fits its storage. If
/// the tensor did not fit, PyTorch would read memory behind the storage.
std::optional<DType> unread_dtype(const pickle::Document& document, pickle::ValueId value);

/// Returns the name of PyTorch's storage class for a type, for example "FloatStorage".
std::string_view storage_class(DType dtype);

}  // namespace aether2onnx::torch
