/// @file
/// The calls by which a pickle rebuilds its tensors, described and checked. Private to this stage.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "formats/pickle/pickle.h"
#include "formats/torch/storage_ids.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::state_dict {

/// Describes the tensors of one pickle. It remembers what was said of each storage, since all must
/// say the same.
class TensorRecords {
 public:
  TensorRecords(const pickle::Document& document, const StorageSource& storages)
      : document_(document), storages_(storages) {}

  /// Whether `value` is a call that rebuilds a tensor, well-formed or not.
  bool is_tensor(pickle::ValueId value) const { return !rebuild_function(value).empty(); }

  /// Whether `value` is a tensor that may be a weight, well-formed or not: neither a single number
  /// nor of integers, as counters, metrics and the states of random generators are.
  bool may_be_weight(pickle::ValueId value) const;

  Entry describe(std::string name, pickle::ValueId value);

 private:
  // A storage or a view of one.
  struct Storage {
    std::string key;
    std::optional<DType> dtype;  // none for UntypedStorage
    std::uint64_t elements = 0;  // of the whole; of an UntypedStorage: bytes
    std::uint64_t first = 0;     // where the view begins
    std::uint64_t usable = 0;    // how many elements it has
  };

  std::string_view rebuild_function(pickle::ValueId value) const;
  Tensor tensor(pickle::ValueId value);
  Tensor typed_tensor(std::span<const pickle::ValueId> arguments);
  Tensor tensor_of_untyped_storage(std::span<const pickle::ValueId> arguments);
  std::shared_ptr<const Quantizer> quantizer(const Tensor& quantized, pickle::ValueId value);
  Tensor vector_for_axis(pickle::ValueId value, std::int64_t size, const char* what);
  DType dtype_object(pickle::ValueId value) const;
  Storage storage(pickle::ValueId value);
  void check_consistent(const StorageId& id);
  std::vector<std::int64_t> numbers(pickle::ValueId value, const char* what) const;
  Tensor laid_out(const Storage& storage, DType dtype,
                  std::span<const pickle::ValueId> arguments) const;
  void check_promise(const Tensor& tensor, const Storage& storage) const;
  void check_extent(Tensor& tensor, const Storage& storage) const;

  const pickle::Document& document_;
  const StorageSource& storages_;
  std::unordered_map<std::string_view, StorageId> known_storages_;
  std::unordered_map<std::string_view, StorageId> known_views_;
};

}  // namespace aether2onnx::state_dict
