/// @file
/// Reads and writes the named tensors of a checkpoint. Opening a file describes all tensors. Then
/// the elements of one tensor at a time are read.
///
/// Finds the state dict in any format of file, removes prefixes of names, and explains files
/// without a state dict. Knows nothing of networks or of the purpose of the tensors.
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
  /// the root of the file. If unset, open() searches for the state dict.
  std::optional<std::string> params_key;
  /// Opens the shards (other files) of a sharded checkpoint. Only open() uses this pointer. Null if
  /// the checkpoint is in memory.
  const io::Siblings* siblings = nullptr;
};

/// The named tensors of a checkpoint.
class StateDict {
 public:
  /// Recognises the format of the file by its content, and describes the tensors. `input` must
  /// outlive the result. Throws Error(unsupported) if the file is no checkpoint that aether2onnx
  /// reads; the message names the kind of file. Throws Error(malformed) if the file is damaged, and
  /// Error(mismatch) if OpenOptions::params_key leads to no state dict.
  static StateDict open(const Input& input, const OpenOptions& options, const Context& context);

  /// Returns the entries in the order of the file. The names have no prefixes such as "module.".
  const std::vector<Entry>& entries() const { return parts_.entries; }
  const Entry* find(std::string_view name) const;

  /// Returns the elements of an entry that has a tensor: row-major, native byte order. Dequantizes
  /// a quantized tensor to float32, as PyTorch's Tensor.dequantize() does. Throws Error(limit) if
  /// the tensors read so far have far more bytes than the file. Not for several threads at a time.
  TensorData read(const Entry& entry) const;

  /// The format of the file: "PyTorch zip", "PyTorch zip, whole module", "safetensors, 3 shards", …
  const std::string& container() const { return parts_.container; }
  /// The keys that lead to the state dict, such as "model/state_dict"; "" for the root of the file.
  const std::string& wrapper() const { return parts_.wrapper; }
  /// The keys that lead to each of the other state dicts in the file: outer levels first, each
  /// level in the order of the file.
  const std::vector<std::string>& other_wrappers() const { return parts_.other_wrappers; }
  /// The prefix that was removed from the names in the file, "module."; "" if there was none.
  const std::string& prefix() const { return parts_.prefix; }
  /// The keys at the root of the file.
  const std::vector<std::string>& root_keys() const { return parts_.root_keys; }
  /// Names and texts that the file holds beside the tensors, not made printable. From a pickle:
  /// numbers and short texts at the root ("iter", "50000") and in dicts at the root
  /// ("arch_config/depths", "4,4,4,4"), and short texts in other records of the archive. From a
  /// safetensors file: `__metadata__`. Booleans and None are written as in Python.
  const formats::Notes& metadata() const { return parts_.metadata; }
  /// The paths of the network's modules, without prefixes such as "module.". Includes modules
  /// without tensors. Empty unless the file holds the network as a pickled module, or the state
  /// dict has the attribute `_metadata` with the versions of the modules.
  const std::vector<std::string>& modules() const { return parts_.modules; }
  /// The first 20 names of functions and classes in the pickle with which PyTorch would run code,
  /// start programs, or reach files and networks when it loads the file. The names are printable.
  const std::vector<std::string>& dangerous_names() const { return parts_.dangerous_names; }
  /// The attributes of a pickled module and of the modules in it: numbers, booleans, None, short
  /// texts, lists of these values ("stages.0.0.res_scale", "0.1"), and dicts of these values
  /// ("arch_config/depths", "4,4,4,4"). Names have no prefixes such as "module.". If a name occurs
  /// twice, the last text is valid. Not made printable. Empty for a file without a pickled module.
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
  mutable limits::BytesMade made_;  // by all calls of read()
};

/// Checks all tensors of a checkpoint without reading their elements. Throws the errors of
/// StateDict::open(), but accepts a PyTorch file without a state dict.
Audit audit(const Input& input, const io::Siblings* siblings, const Context& context);

/// The result of write().
struct Written {
  std::uint64_t bytes = 0;
  std::uint64_t weights_subnormal = 0;
  std::uint64_t weights_flushed_to_zero = 0;
};

/// Writes a checkpoint. NewTensor::load of a weight may return any weight type; write() converts
/// the elements to NewTensor::dtype. NewTensor::load of an integer tensor must return this dtype.
/// Calls `progress` with the number of tensor bytes written so far, and with the total.
///
/// Throws Error(precision) if an element is NaN, infinite, or beyond the range of its type in the
/// file. The message names the tensor.
Written write(const Content& content, CheckpointFormat format, Output& output,
              const std::function<void(std::uint64_t, std::uint64_t)>& progress);

}  // namespace aether2onnx::state_dict
