#include "formats/torch/storage_table.h"

#include "base/checked.h"
#include "base/text.h"

namespace aether2onnx::torch {

using pickle::Kind;
using pickle::ValueId;

Storage StorageTable::storage(ValueId value) {
  if (document_.kind(value) != Kind::persistent_id) {
    no_tensor("torch-tensor-reference", "is a tensor that refers to {} instead of a storage",
              pickle::describe(document_, value));
  }
  const auto id = storage_id(document_, value);
  if (!id) {
    no_tensor("torch-tensor-reference", "is a tensor with a malformed reference to its storage");
  }
  if (!id->element_size()) {
    no_tensor("torch-tensor-reference", "is a tensor on a storage of the unknown type {}.{}",
              printable(id->module), printable(id->name));
  }
  check_consistent(*id);
  Storage result{std::string(id->key), id->dtype(), id->elements, 0, id->elements};
  if (id->view) {
    result.first = id->view->offset;
    result.usable = id->view->elements;
  }
  if (id->elements_per_byte() > 1) {
    const auto usable = checked_multiply(result.usable, id->elements_per_byte());
    if (id->view || !usable) {
      no_tensor("torch-tensor-reference", "is a tensor with a malformed reference to its storage");
    }
    result.dtype = DType::quint8;  // of the same element size
    result.usable = *usable;
    result.elements_per_byte = id->elements_per_byte();
  }
  return result;
}

void StorageTable::check_consistent(const StorageId& id) {
  const StorageId& known = known_storages_.emplace(id.key, id).first->second;
  if (known.dtype() != id.dtype() || known.untyped() != id.untyped() ||
      known.elements != id.elements) {
    no_tensor("torch-tensor-conflict",
              "is a tensor on storage '{}', for which the file has two different types or sizes",
              printable(id.key));
  }
  const bool is_view = known_views_.contains(id.key);
  if (is_view || (id.view && known_storages_.contains(id.view->key))) {
    no_tensor("torch-tensor-conflict",
              "is a tensor on '{}', which is both a storage and a part of a storage",
              printable(is_view ? id.key : id.view->key));
  }
  if (!id.view) return;
  const StorageId& view = known_views_.emplace(id.view->key, id).first->second;
  if (view.key != id.key || view.view->offset != id.view->offset ||
      view.view->elements != id.view->elements) {
    no_tensor("torch-tensor-conflict",
              "is a tensor on part '{}' of a storage, and the file describes this part in two ways",
              printable(id.view->key));
  }
}

void StorageTable::check_promise(std::string_view key, std::uint64_t elements,
                                 std::optional<std::size_t> element_size) const {
  const std::optional<std::uint64_t> bytes = storages_.size(key);
  if (!bytes) {
    no_tensor("torch-tensor-storage-missing",
              "is a tensor whose storage '{}' is missing from the file", printable(key));
  }
  const auto promised = checked_multiply<std::uint64_t>(elements, element_size.value_or(1));
  if (!promised || *promised > *bytes) {
    no_tensor("torch-tensor-storage-short",
              "is a tensor whose storage '{}' should have {} elements of {} and has {}",
              printable(key), elements, plural(element_size.value_or(1), "byte"),
              plural(*bytes, "byte"));
  }
}

}  // namespace aether2onnx::torch
