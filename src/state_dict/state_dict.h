/// @file
/// Stage "state dict": the named tensors of a checkpoint, described first and read one at a time.
///
/// Owns what PyTorch and safetensors write: wrappers around a state dict, the calls that rebuild
/// tensors, storages, strides, byte order. Nothing but the descriptions is in memory until a tensor
/// is read. Knows nothing of what the tensors are for.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/tensor.h"
#include "port/files.h"

namespace aether2onnx::state_dict {

struct Quantizer;

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
  /// Of a quantized tensor; null otherwise.
  std::shared_ptr<const Quantizer> quantizer;

  bool is_quantized() const { return quantizer != nullptr; }
  /// The type in which read() gives the elements: float32 for a quantized tensor.
  DType read_dtype() const { return is_quantized() ? DType::float32 : dtype; }
};

/// What the integers of a quantized tensor stand for: (element - zero_point) * scale, one of each
/// for the tensor or for each index of an axis.
struct Quantizer {
  double scale = 1;
  std::int64_t zero_point = 0;
  std::optional<std::size_t> axis;    ///< Where there is one, with the tensors below.
  std::optional<Tensor> scales;       ///< Rank 1, float64 or float32.
  std::optional<Tensor> zero_points;  ///< Rank 1, int64 or int32.
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

/// What open() may be told beside the file.
struct OpenOptions {
  /// Where in the file the state dict is: keys with '/' between them ("model/state_dict"), the last
  /// of which may be what names of a flat state dict begin with ("net_g" for "net_g.body.weight");
  /// "" or "/" for the root. Unset: found by itself.
  std::optional<std::string> params_key;
  /// Opens the shards of a sharded checkpoint; used by open() alone. Null where there is only the
  /// one Input, as in memory.
  const io::Siblings* siblings = nullptr;
};

/// The named tensors of a checkpoint.
class StateDict {
 public:
  /// Recognises the file by its content and describes its state dict. `input` must outlive the
  /// result. Throws Error(unsupported) with a plain word on what the file is where it is no
  /// checkpoint that is read here, Error(malformed) where it is damaged, Error(mismatch) where
  /// OpenOptions::params_key names nothing in it.
  static StateDict open(const Input& input, const OpenOptions& options, const Context& context);

  /// In the order of the file, names without prefixes such as "module.".
  const std::vector<Entry>& entries() const { return parts_.entries; }
  const Entry* find(std::string_view name) const;

  /// The elements of an entry that has a tensor: row-major, native byte order. Those of a quantized
  /// tensor are dequantized, to float32, as PyTorch's Tensor.dequantize() does it.
  TensorData read(const Entry& entry) const;

  /// For example "PyTorch zip", "PyTorch zip, whole module", "safetensors, 3 shards".
  const std::string& container() const { return parts_.container; }
  /// The keys under which the state dict was found, "params_ema" or "model/state_dict"; "" at the
  /// root.
  const std::string& wrapper() const { return parts_.wrapper; }
  /// Where else in the file there is a state dict, written likewise, in the order of the file.
  const std::vector<std::string>& other_wrappers() const { return parts_.other_wrappers; }
  /// The prefix that was taken off the names, "" if none.
  const std::string& prefix() const { return parts_.prefix; }
  /// The keys beside the state dict, at the root of the file.
  const std::vector<std::string>& root_keys() const { return parts_.root_keys; }
  /// What the file says beside the tensors: numbers and short texts at the root of a pickle
  /// ("iter", "50000") and in dicts there ("arch_config/depths", "4,4,4,4"), the __metadata__ of a
  /// safetensors file. Truth values and None are as in Python. Not made printable.
  const std::vector<std::pair<std::string, std::string>>& metadata() const {
    return parts_.metadata;
  }
  /// The paths of the network's modules, those without tensors among them, where PyTorch noted
  /// their versions (the state dict's `_metadata`); without prefixes such as "module.".
  const std::vector<std::string>& modules() const { return parts_.modules; }
  /// Every file that the checkpoint consists of: the one that was opened, then the shards, by name.
  const std::vector<const Input*>& files() const { return parts_.files; }

  /// What a container hands over.
  struct Parts {
    std::unique_ptr<StorageSource> storages;
    std::vector<Entry> entries;
    std::string container;
    std::string wrapper;
    std::vector<std::string> other_wrappers;
    std::string prefix;
    std::vector<std::string> root_keys;
    std::vector<std::pair<std::string, std::string>> metadata;
    std::vector<std::string> modules;
    std::vector<const Input*> files;  ///< Those of `storages`, which owns all but the first.
  };
  StateDict(Parts parts, const Context& context);

 private:
  TensorData read_stored(const Tensor& tensor) const;
  TensorData dequantized(const Tensor& tensor) const;

  Parts parts_;
  Context context_;
  std::unordered_map<std::string_view, std::size_t> by_name_;
};

/// What is wrong in a checkpoint that can be opened.
struct Audit {
  /// One line a tensor, of all tensors in the file and not of the state dict alone, that
  /// contradicts itself or its storage: "is a tensor …". The first of them.
  std::vector<std::string> contradictions;
  /// The same of tensors of kinds that aren't read (sparse ones and so on).
  std::vector<std::string> not_read;
  /// Keys of storages that no tensor refers to. The first of them.
  std::vector<std::string> unused_storages;
  /// Where what a loader reads ends; bytes behind it are read by none.
  std::uint64_t end = 0;
};

/// Looks at all tensors of a checkpoint without reading their elements. Throws as
/// StateDict::open(), except that there needs not be a state dict.
Audit audit(const Input& input, const io::Siblings* siblings, const Context& context);

}  // namespace aether2onnx::state_dict
