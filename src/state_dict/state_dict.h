/// @file
/// Stage "state dict": the named tensors of a checkpoint, described first and read one at a time.
///
/// Owns what PyTorch writes: wrappers around a state dict, the calls that rebuild tensors,
/// storages, strides, byte order. Nothing but the descriptions is in memory until a tensor is read.
/// Knows nothing of what the tensors are for.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/tensor.h"

namespace aether2onnx::state_dict {

/// Where and how the elements of a tensor lie. Checked when it is described: the sizes multiply
/// without overflow, every element lies within the storage, and there are no more elements than the
/// storage has.
struct Tensor {
  DType dtype = DType::float32;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;  ///< In elements.
  std::int64_t storage_offset = 0;    ///< In elements.
  std::int64_t elements = 0;
  std::string storage;  ///< The storage's key.
  bool quantized = false;
};

/// One item of the state dict. An item that isn't a well-formed tensor is no error by itself: only
/// what the network needs must be well-formed.
struct Entry {
  std::string name;
  std::optional<Tensor> tensor;
  std::string problem;  ///< Where there is no tensor: what there is instead, "is None" for example.
};

/// The bytes of storages; one implementation a container.
class StorageSource {
 public:
  StorageSource() = default;
  StorageSource(const StorageSource&) = delete;
  StorageSource& operator=(const StorageSource&) = delete;
  virtual ~StorageSource();

  /// Bytes of the storage, or nothing where there is none of that key.
  virtual std::optional<std::uint64_t> size(std::string_view key) const = 0;
  /// Fills `out` from byte `offset` of the storage on; within size().
  virtual void read(std::string_view key, std::uint64_t offset, std::span<std::byte> out) const = 0;
  /// Whether the elements' bytes are stored most significant first.
  virtual bool big_endian() const = 0;
};

/// The named tensors of a checkpoint.
class StateDict {
 public:
  /// Recognises the file by its content and describes its state dict. `input` must outlive the
  /// result. Throws Error(unsupported) with a plain word on what the file is where it is no
  /// checkpoint that is read here, Error(malformed) where it is damaged.
  static StateDict open(const Input& input);

  /// In the order of the file, names without prefixes such as "module.".
  const std::vector<Entry>& entries() const { return entries_; }
  const Entry* find(std::string_view name) const;

  /// The elements of an entry that has a tensor: row-major, native byte order.
  TensorData read(const Entry& entry) const;

  /// For example "PyTorch zip".
  const std::string& container() const { return container_; }
  /// The keys under which the state dict was found, "params_ema" or "model/state_dict"; "" at the
  /// root.
  const std::string& wrapper() const { return wrapper_; }
  /// The prefix that was taken off the names, "" if none.
  const std::string& prefix() const { return prefix_; }
  /// The keys beside the state dict, at the root of the file.
  const std::vector<std::string>& root_keys() const { return root_keys_; }

  /// What the file says beside the tensors: numbers at the root of a pickle ("iter", "50000"). Not
  /// made printable.
  const std::vector<std::pair<std::string, std::string>>& metadata() const { return metadata_; }

  /// What a container hands over.
  struct Parts {
    std::unique_ptr<StorageSource> storages;
    std::vector<Entry> entries;
    std::string container;
    std::string wrapper;
    std::string prefix;
    std::vector<std::string> root_keys;
    std::vector<std::pair<std::string, std::string>> metadata;
  };
  explicit StateDict(Parts parts);

 private:
  std::unique_ptr<StorageSource> storages_;
  std::vector<Entry> entries_;
  std::unordered_map<std::string_view, std::size_t> by_name_;
  std::string container_;
  std::string wrapper_;
  std::string prefix_;
  std::vector<std::string> root_keys_;
  std::vector<std::pair<std::string, std::string>> metadata_;
};

}  // namespace aether2onnx::state_dict
