/// @file
/// The storages that the tensors of one pickle refer to. Private to this folder.
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

/// The reason why a value is no well-formed tensor. tensor_records.cpp catches it and keeps it in a
/// Record.
struct NotATensor {
  std::string code;
  std::string problem;
};

template <typename... Args>
[[noreturn]] void no_tensor(const char* code, fmt::format_string<Args...> format, Args&&... args) {
  throw NotATensor{code, fmt::format(format, std::forward<Args>(args)...)};
}

/// A storage or a view of one.
struct Storage {
  std::string key;
  std::optional<DType> dtype;  ///< unset for UntypedStorage
  std::uint64_t elements = 0;  ///< of the whole storage; of an UntypedStorage: bytes
  std::uint64_t first = 0;     ///< the view's first element
  std::uint64_t usable = 0;    ///< the view's elements
};

/// Throws NotATensor for references that no tensor can have.
class StorageTable {
 public:
  StorageTable(const pickle::Document& document, const formats::Storages& storages)
      : document_(document), storages_(storages) {}

  Storage storage(pickle::ValueId value);

  /// All references to one storage must agree on its type and size. The same holds for views. In a
  /// stream, PyTorch keeps storages and views in one table, so that no key may be both.
  void check_consistent(const StorageId& id);

  /// Checks that the file has as many bytes of the storage as a reference states. An empty storage
  /// may be missing, but must not be too short.
  void check_promise(std::string_view key, std::uint64_t elements,
                     std::optional<std::size_t> element_size) const;

 private:
  const pickle::Document& document_;
  const formats::Storages& storages_;
  std::unordered_map<std::string_view, StorageId> known_storages_;
  std::unordered_map<std::string_view, StorageId> known_views_;
};

}  // namespace aether2onnx::torch
