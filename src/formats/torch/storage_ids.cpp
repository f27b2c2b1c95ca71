#include "formats/torch/storage_ids.h"

#include <array>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"

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

// The types that a torch.dtype may name in a call of _rebuild_tensor_v3(…, dtype).
constexpr std::array kDTypes = {
    DType::float64,       DType::float32,     DType::float16, DType::bfloat16, DType::complex64,
    DType::complex128,    DType::int64,       DType::int32,   DType::int16,    DType::int8,
    DType::uint64,        DType::uint32,      DType::uint16,  DType::uint8,    DType::boolean,
    DType::float8_e4m3fn, DType::float8_e5m2,
};

// Each pair is a type that this program does not read, and a similar type that this program knows.
// The program uses the similar type to check that a tensor fits its storage and may require
// gradients. So the two types have the same size, and both can require gradients, or neither can.
constexpr std::array<std::pair<std::string_view, DType>, 10> kUnreadDTypes = {{
    {"complex32", DType::float32},
    {"bits8", DType::uint8},
    {"bits16", DType::uint16},
    {"bits1x8", DType::uint8},
    {"bits2x4", DType::uint8},
    {"bits4x2", DType::uint8},
    {"float8_e4m3fnuz", DType::float8_e5m2},
    {"float8_e5m2fnuz", DType::float8_e5m2},
    {"float8_e8m0fnu", DType::float8_e5m2},
    {"float4_e2m1fn_x2", DType::float8_e5m2},
}};

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

std::uint64_t StorageId::elements_per_byte() const {
  if (module == "torch" && name == "QUInt4x2Storage") return 2;
  return module == "torch" && name == "QUInt2x4Storage" ? 4 : 1;
}

// Sources: register_package() in torch/serialization.py; c10/core/DeviceType.cpp.
bool StorageId::has_known_device() const {
  if (device == "cpu") return true;
  const std::size_t colon = device.find(':');
  const std::string_view kind = device.substr(0, colon);
  const bool known = is_one_of("cuda mps xpu hpu npu xla mtia maia ipu privateuseone", kind);
  if (colon == std::string_view::npos) return known;
  const auto number = parse_number<int>(device.substr(colon + 1));
  return known && number && *number >= 0 && *number < 128;
}

std::optional<std::size_t> StorageId::element_size() const {
  if (untyped()) return 1;
  if (elements_per_byte() > 1) return 1;  // PyTorch counts the bytes, not the elements
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
  // The keys of PyTorch's storages are short numbers. Refuse a long key: this program copies the
  // key for each tensor of the storage, so the copies could need much memory.
  if (!well_formed || document.text(parts[2]).size() > limits::kNameBytes) return std::nullopt;
  const auto elements = count(document, parts[4]);
  if (!elements) return std::nullopt;
  StorageId result{document.module(parts[1]),
                   document.name(parts[1]),
                   document.text(parts[2]),
                   document.text(parts[3]),
                   *elements,
                   {}};
  if (parts.size() == 6 && document.kind(parts[5]) != Kind::none) {
    result.view = view(document, parts[5], *elements);
    if (!result.view) return std::nullopt;
  }
  return result;
}

std::optional<DType> named_dtype(const Document& document, ValueId value) {
  for (const DType dtype : kDTypes) {
    if (document.is_global(value, "torch", to_string(dtype))) return dtype;
  }
  return std::nullopt;
}

bool is_differentiable(DType dtype) {
  return is_weight_dtype(dtype) || is_complex(dtype) || dtype == DType::float8_e4m3fn ||
         dtype == DType::float8_e5m2;
}

bool is_complex(DType dtype) { return dtype == DType::complex64 || dtype == DType::complex128; }

std::optional<DType> unread_dtype(const Document& document, ValueId value) {
  for (const auto& [name, same_size] : kUnreadDTypes) {
    if (document.is_global(value, "torch", name)) return same_size;
  }
  return std::nullopt;
}

std::string_view storage_class(DType dtype) {
  for (const StorageClass& known : kStorageClasses) {
    if (known.dtype == dtype) return known.name;
  }
  defect("PyTorch has no storage class for this element type");
}

}  // namespace aether2onnx::torch
