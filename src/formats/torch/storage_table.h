/// @file
/// The table of the storages to which the tensors of one pickle refer. Private to this folder.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "formats/pickle/pickle.h"
#include "formats/tensors.h"
#include "formats/torch/storage_ids.h"

namespace aether2onnx::torch {

/// The exception for a value that is no well-formed tensor. tensor_records.cpp catches the
/// exception and stores the reason in a Record.
struct NotATensor {
  std::string code;
  std::string problem;
};

template <typename... Args>
[[noreturn]] void no_tensor(const char* code, fmt::format_string<Args...> format, Args&&... args) {
  throw NotATensor{code, fmt::format(format, std::forward<Args>(args)...)};
}

/// A storage that a tensor uses, or a view, which is a part of a storage.
struct Storage {
  std::string key;
  std::optional<DType> dtype;           ///< Empty for UntypedStorage.
  std::uint64_t elements = 0;           ///< Of the whole storage; for an UntypedStorage: bytes.
  std::uint64_t first = 0;              ///< Where the view begins in the storage, in elements.
  std::uint64_t usable = 0;             ///< The number of elements in the view.
  std::uint64_t elements_per_byte = 1;  ///< 2 or 4 for types that this program does not read.
};

/// Remembers all storages to which a pickle refers. The functions throw NotATensor if a reference
/// is malformed, has an unknown storage class, or contradicts the file or another reference.
class StorageTable {
 public:
  StorageTable(const pickle::Document& document, const formats::Storages& storages)
      : document_(document), storages_(storages) {}

  Storage storage(pickle::ValueId value);

  /// Throws if two references give one storage different types or sizes, or give one view different
  /// storages, offsets or sizes. Throws if a key names both a storage and a view: for files in the
  /// format from before PyTorch 1.6, PyTorch keeps storages and views in one table.
  void check_consistent(const StorageId& id);

  /// Returns the number of bytes of the storage `key` in the file; 0 if the storage is missing.
  std::uint64_t bytes(std::string_view key) const { return storages_.size(key).value_or(0); }

  bool big_endian() const { return storages_.big_endian(); }

  /// Throws if the storage `key` is missing, or has fewer bytes than a reference states.
  void check_promise(std::string_view key, std::uint64_t elements,
                     std::optional<std::size_t> element_size) const;

 private:
  const pickle::Document& document_;
  const formats::Storages& storages_;
  std::unordered_map<std::string_view, StorageId> known_storages_;
  std::unordered_map<std::string_view, StorageId> known_views_;
};

}  // namespace aether2onnx::torch
