#include "formats/torch/storage_ids.h"

#include <array>

#include "base/error.h"
#include "base/limits.h"

namespace aether2onnx::torch {

using pickle::Document;
using pickle::Kind;
using pickle::ValueId;

namespace {

struct StorageClass {
  std::string_view name;  // the class's name in module torch, torch.cuda or torch.storage
  DType dtype;
};

// PyTorch's storage classes. Sources: torch/storage.py and torch/_weights_only_unpickler.py.
constexpr std::array kStorageClasses = {
    StorageClass{"DoubleStorage", DType::float64},
    StorageClass{"FloatStorage", DType::float32},
    StorageClass{"HalfStorage", DType::float16},
    StorageClass{"BFloat16Storage", DType::bfloat16},
    StorageClass{"LongStorage", DType::int64},
    StorageClass{"IntStorage", DType::int32},
    StorageClass{"ShortStorage", DType::int16},
    StorageClass{"CharStorage", DType::int8},
    StorageClass{"ByteStorage", DType::uint8},
    StorageClass{"BoolStorage", DType::boolean},
    StorageClass{"ComplexFloatStorage", DType::complex64},
    StorageClass{"ComplexDoubleStorage", DType::complex128},
    StorageClass{"QInt8Storage", DType::qint8},
    StorageClass{"QUInt8Storage", DType::quint8},
    StorageClass{"QInt32Storage", DType::qint32},
};

std::optional<std::uint64_t> count(const Document& document, ValueId value) {
  if (document.kind(value) != Kind::integer || document.integer(value) < 0) return std::nullopt;
  return static_cast<std::uint64_t>(document.integer(value));
}

std::optional<StorageId::View> view(const Document& document, ValueId value,
                                    std::uint64_t storage_elements) {
  if (document.kind(value) != Kind::tuple) return std::nullopt;
  const auto parts = document.elements(value);
  if (parts.size() != 3 || document.kind(parts[0]) != Kind::string) return std::nullopt;
  const auto offset = count(document, parts[1]);
  const auto elements = count(document, parts[2]);
  if (!offset || !elements || *offset > storage_elements ||
      *elements > storage_elements - *offset) {
    return std::nullopt;
  }
  return StorageId::View{document.text(parts[0]), *offset, *elements};
}

}  // namespace

bool StorageId::untyped() const {
  return (module == "torch.storage" || module == "torch") && name == "UntypedStorage";
}

std::optional<DType> StorageId::dtype() const {
  if (module != "torch" && module != "torch.cuda") return std::nullopt;
  for (const StorageClass& known : kStorageClasses) {
    if (known.name == name) return known.dtype;
  }
  return std::nullopt;
}

std::optional<std::size_t> StorageId::element_size() const {
  if (untyped()) return 1;
  // A byte of these storages has several elements. PyTorch counts the bytes, not the elements.
  if (module == "torch" && (name == "QUInt4x2Storage" || name == "QUInt2x4Storage")) return 1;
  const auto type = dtype();
  return type ? std::optional(size_of(*type)) : std::nullopt;
}

std::optional<StorageId> storage_id(const Document& document, ValueId value) {
  if (document.kind(value) != Kind::persistent_id) return std::nullopt;
  const ValueId id = document.persistent(value);
  if (document.kind(id) != Kind::tuple) return std::nullopt;
  const auto parts = document.elements(id);
  const bool well_formed =
      (parts.size() == 5 || parts.size() == 6) && document.kind(parts[0]) == Kind::string &&
      document.text(parts[0]) == "storage" && document.kind(parts[1]) == Kind::global &&
      document.kind(parts[2]) == Kind::string && document.kind(parts[3]) == Kind::string;
  // PyTorch's keys are short numbers. Long keys are refused: each tensor would copy its key.
  if (!well_formed || document.text(parts[2]).size() > limits::kNameBytes) return std::nullopt;
  const auto elements = count(document, parts[4]);
  if (!elements) return std::nullopt;
  StorageId result{
      document.module(parts[1]), document.name(parts[1]), document.text(parts[2]), *elements, {}};
  if (parts.size() == 6 && document.kind(parts[5]) != Kind::none) {
    result.view = view(document, parts[5], *elements);
    if (!result.view) return std::nullopt;
  }
  return result;
}

std::string_view storage_class(DType dtype) {
  for (const StorageClass& known : kStorageClasses) {
    if (known.dtype == dtype) return known.name;
  }
  defect("a storage of a type without a class");
}

}  // namespace aether2onnx::torch
