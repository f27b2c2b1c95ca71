/// @file
/// Reads and writes the named tensors of a checkpoint. StateDict::open() reads the names, types and
/// shapes of all tensors. StateDict::read() reads the elements of one tensor.
///
/// StateDict::open() finds the state dict in a file of any checkpoint format, and removes prefixes
/// such as "module." from the names. If a file has no state dict, the error message says what the
/// file contains. No code in this folder depends on the network or on the purpose of a tensor.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "formats/tensors.h"
#include "port/files.h"

namespace aether2onnx::state_dict {

using formats::Audit;
using formats::Content;
using formats::NewTensor;
using formats::Quantizer;
using formats::Tensor;
/// A named item of the state dict, usually a tensor.
using Entry = formats::Record;

/// The options of StateDict::open().
struct OpenOptions {
  /// The keys that lead to the state dict in the file, with '/' between them ("model/state_dict").
  /// The last key may be a prefix of tensor names: "net_g" for "net_g.body.weight". "" and "/" mean
  /// the outermost value in the file. If unset, open() searches for the state dict.
  std::optional<std::string> params_key;
  /// Opens the shards (other files) of a sharded checkpoint. Only open() uses this pointer. Null if
  /// the checkpoint is in memory.
  const io::Siblings* siblings = nullptr;
};

/// The named tensors of a checkpoint.
class StateDict {
 public:
  /// Recognises the format of the file by its content, and reads the name, type and shape of every
  /// tensor. `input` must outlive the result. Throws Error(unsupported) if the file is no
  /// checkpoint that aether2onnx reads, or has no state dict; the message says what the file is.
  /// Throws Error(malformed) if the file is damaged. Throws Error(mismatch) if
  /// OpenOptions::params_key leads to no state dict. If params_key is unset, throws Error(mismatch)
  /// if the file has several state dicts, but none under a usual key ("params", …).
  static StateDict open(const Input& input, const OpenOptions& options, const Context& context);

  /// Returns the entries in the order of the file. The names have no prefixes such as "module.".
  const std::vector<Entry>& entries() const { return parts_.entries; }
  const Entry* find(std::string_view name) const;

  /// Returns the elements of an entry that has a tensor, in row-major order and native byte order.
  /// Dequantizes a quantized tensor to float32, as PyTorch's Tensor.dequantize() does. Throws
  /// Error(limit) if all tensors read so far have too many bytes for the size of the file (see
  /// limits::BytesMade): in a small file, very many tensors can share bytes. Two threads must not
  /// call read() at the same time.
  TensorData read(const Entry& entry) const;

  /// The format of the file: "PyTorch zip", "PyTorch zip, whole module", "safetensors, 3 shards", …
  const std::string& container() const { return parts_.container; }
  /// The keys that lead to the state dict, such as "model/state_dict"; "" if the state dict is the
  /// outermost value in the file.
  const std::string& wrapper() const { return parts_.wrapper; }
  /// The paths to the other state dicts in the file, written like wrapper(). Paths with fewer keys
  /// come first. Paths with equally many keys have the order of the file.
  const std::vector<std::string>& other_wrappers() const { return parts_.other_wrappers; }
  /// The prefix that open() removed from the names in the file, for example "module."; "" if the
  /// names had no prefix.
  const std::string& prefix() const { return parts_.prefix; }
  /// The keys of the outermost dict in a PyTorch file. Empty for any other file.
  const std::vector<std::string>& root_keys() const { return parts_.root_keys; }
  /// Pairs (name, text) from the file's data beside the tensors. A PyTorch file gives numbers and
  /// short texts in the outermost dict ("iter", "50000"), short values in inner dicts
  /// ("arch_config/depths", "4,4,4,4"), and short texts in the zip archive's folder `.data`. A
  /// safetensors file gives the pairs in `__metadata__`. Booleans and None are spelled as in
  /// Python. The texts may contain control characters.
  const formats::Notes& metadata() const { return parts_.metadata; }
  /// The paths of the network's modules, without prefixes such as "module.". Includes modules
  /// without tensors. Empty unless the file holds the network as a pickled module, or the state
  /// dict has the attribute `_metadata` with the versions of the modules.
  const std::vector<std::string>& modules() const { return parts_.modules; }
  /// The names of dangerous functions and classes in the pickle; at most the first 20 names. When
  /// PyTorch loads the file, these functions can run code, start programs, or reach files and
  /// computer networks. The names are printable: control characters are escaped.
  const std::vector<std::string>& dangerous_names() const { return parts_.dangerous_names; }
  /// The attributes of a pickled module and of its inner modules, as pairs (name, text). The values
  /// are numbers ("stages.0.0.res_scale", "0.1"), booleans, None, short texts, and lists of these
  /// values. Each item of a dict becomes a pair ("arch_config/depths", "4,4,4,4"). Names have no
  /// prefixes such as "module.". If a name occurs several times, Python would use the last pair.
  /// The texts may contain control characters. Empty for a file without a pickled module.
  const formats::Notes& attributes() const { return parts_.attributes; }
  /// Every file of the checkpoint: the opened file, then the shards, sorted by name.
  const std::vector<const Input*>& files() const { return parts_.files; }

  /// The data of a StateDict, which open() reads from a file.
  struct Parts {
    std::unique_ptr<formats::Storages> storages;
    std::vector<Entry> entries;
    std::string container;
    std::string wrapper;
    std::vector<std::string> other_wrappers;
    std::string prefix;
    std::vector<std::string> root_keys;
    formats::Notes metadata;
    std::vector<std::string> modules;
    std::vector<std::string> dangerous_names;
    formats::Notes attributes;
    std::vector<const Input*> files;  ///< `storages` owns all files except the first.
  };
  StateDict(Parts parts, Context context);

 private:
  TensorData read_stored(const Tensor& tensor) const;
  TensorData dequantized(const Tensor& tensor) const;

  Parts parts_;
  Context context_;
  std::unordered_map<std::string_view, std::size_t> by_name_;
  mutable limits::BytesMade made_;  // counts the bytes of all calls of read()
};

/// Checks for all tensors of a checkpoint that the type, shape and position fit the bytes in the
/// file. Does not read elements. A PyTorch file needs no state dict; the result lists its faulty
/// tensors. Throws an Error, as StateDict::open() does, for a faulty tensor in a safetensors file
/// and for an unreadable file.
Audit audit(const Input& input, const io::Siblings* siblings, const Context& context);

/// The result of write().
struct Written {
  std::uint64_t bytes = 0;
  std::uint64_t weights_subnormal = 0;
  std::uint64_t weights_flushed_to_zero = 0;
};

/// Writes a checkpoint. If NewTensor::dtype is float64, float32, float16 or bfloat16, the function
/// NewTensor::load may return elements of any of these four types, and write() converts the
/// elements. For any other dtype, NewTensor::load must return elements of exactly this dtype.
/// Calls `progress` with the number of tensor bytes written so far, and with the total.
///
/// Throws Error(precision) if an element is NaN, infinite, or beyond the range of its type in the
/// file. The message names the tensor.
Written write(const Content& content, CheckpointFormat format, Output& output,
              const std::function<void(std::uint64_t, std::uint64_t)>& progress);

}  // namespace aether2onnx::state_dict
