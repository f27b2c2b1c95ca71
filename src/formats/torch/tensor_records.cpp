#include "formats/torch/tensor_records.h"

#include <algorithm>
#include <array>

#include "base/checked.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "state_dict/values.h"

namespace aether2onnx::state_dict {

using pickle::Kind;
using pickle::ValueId;

namespace {

// The names of torch.dtype objects, as _rebuild_tensor_v3 has them.
constexpr std::array kDTypes = {
    DType::float64,       DType::float32,     DType::float16, DType::bfloat16, DType::complex64,
    DType::complex128,    DType::int64,       DType::int32,   DType::int16,    DType::int8,
    DType::uint64,        DType::uint32,      DType::uint16,  DType::uint8,    DType::boolean,
    DType::float8_e4m3fn, DType::float8_e5m2,
};

// Why a value is no well-formed tensor. Caught in this file: it becomes Entry::problem.
struct NotATensor {
  std::string problem;
};

template <typename... Args>
[[noreturn]] void no_tensor(fmt::format_string<Args...> format, Args&&... args) {
  throw NotATensor{fmt::format(format, std::forward<Args>(args)...)};
}

}  // namespace

Entry TensorRecords::describe(std::string name, ValueId value) {
  Entry entry{std::move(name), std::nullopt, {}};
  try {
    entry.tensor = tensor(value);
  } catch (const NotATensor& reason) {
    entry.problem = reason.problem;
  }
  return entry;
}

// "_rebuild_tensor_v2", or "" where the value isn't a call of torch._utils' rebuild functions.
std::string_view TensorRecords::rebuild_function(ValueId value) const {
  if (document_.kind(value) != Kind::object) return {};
  const ValueId callable = document_.callable(value);
  if (document_.kind(callable) != Kind::global) return {};
  const std::string_view module = document_.module(callable);
  const std::string_view name = document_.name(callable);
  const bool rebuilds =
      (module == "torch._utils" || module == "torch._tensor") && name.starts_with("_rebuild_");
  return rebuilds ? name : std::string_view{};
}

bool TensorRecords::may_be_weight(ValueId value) const {
  // A parameter's first argument is the tensor, a tensor's first two are storage and size.
  for (int depth = 0; depth < 4 && is_tensor(value); ++depth) {
    const auto arguments = document_.arguments(value);
    if (arguments.empty()) return true;
    if (is_tensor(arguments[0])) {
      value = arguments[0];
      continue;
    }
    if (arguments.size() > 2 && document_.kind(arguments[2]) == Kind::tuple &&
        document_.elements(arguments[2]).empty()) {
      return false;
    }
    const auto id = storage_id(document_, arguments[0]);
    const auto dtype = id ? id->dtype() : std::nullopt;
    constexpr std::array integers = {DType::int64, DType::int32, DType::int16,
                                     DType::int8,  DType::uint8, DType::boolean};
    return !dtype || std::find(integers.begin(), integers.end(), *dtype) == integers.end();
  }
  return is_tensor(value);
}

Tensor TensorRecords::tensor(ValueId value) {
  // A Parameter is a call around a tensor; a few calls around each other are followed.
  for (int depth = 0; depth < 4; ++depth) {
    const std::string_view function = rebuild_function(value);
    if (function.empty()) no_tensor("is {}, not a tensor", describe_value(document_, value));
    if (!document_.pairs(value).empty() || !document_.elements(value).empty()) {
      no_tensor("is a tensor that the pickle writes into, which no writer of PyTorch does");
    }
    const auto arguments = document_.arguments(value);
    if (function == "_rebuild_parameter" || function == "_rebuild_parameter_with_state") {
      if (arguments.empty()) no_tensor("is a parameter without a tensor");
      value = arguments[0];
    } else if (function == "_rebuild_tensor_v2" || function == "_rebuild_tensor") {
      return typed_tensor(arguments);
    } else if (function == "_rebuild_tensor_v3") {
      return tensor_of_untyped_storage(arguments);
    } else if (function == "_rebuild_qtensor") {
      Tensor result = typed_tensor(arguments);
      if (arguments.size() < 5) no_tensor("is a quantized tensor with too few arguments");
      result.quantizer = quantizer(result, arguments[4]);
      return result;
    } else if (function == "_rebuild_sparse_tensor") {
      no_tensor("is a sparse tensor");
    } else if (function == "_rebuild_meta_tensor_no_storage") {
      no_tensor("is a tensor without data (made on the 'meta' device)");
    } else {
      no_tensor("is a tensor of a kind that is not read ({})", printable(function));
    }
  }
  no_tensor("is a parameter within a parameter");
}

// (storage, storage_offset, size, stride, …)
Tensor TensorRecords::typed_tensor(std::span<const ValueId> arguments) {
  if (arguments.size() < 4) no_tensor("is a tensor with too few arguments");
  const Storage lies_in = storage(arguments[0]);
  if (!lies_in.dtype) no_tensor("is a tensor on a storage without a type");
  return laid_out(lies_in, *lies_in.dtype, arguments);
}

// (per_tensor_affine, scale, zero_point) or (per_channel_affine, scales, zero_points, axis).
std::shared_ptr<const Quantizer> TensorRecords::quantizer(const Tensor& quantized, ValueId value) {
  constexpr std::array integers = {DType::qint8, DType::quint8, DType::qint32};
  if (std::find(integers.begin(), integers.end(), quantized.dtype) == integers.end()) {
    no_tensor("is a quantized tensor of {}", to_string(quantized.dtype));
  }
  const auto parts =
      document_.kind(value) == Kind::tuple ? document_.elements(value) : std::span<const ValueId>{};
  const auto is_scheme = [&](std::size_t size, std::string_view name) {
    return parts.size() == size && document_.is_global(parts[0], "torch", name);
  };
  Quantizer result;
  if (is_scheme(3, "per_tensor_affine")) {
    if (document_.kind(parts[1]) != Kind::real || document_.kind(parts[2]) != Kind::integer) {
      no_tensor("is a quantized tensor whose scale and zero point are no numbers");
    }
    result.scale = document_.real(parts[1]);
    result.zero_point = document_.integer(parts[2]);
  } else if (is_scheme(4, "per_channel_affine")) {
    const std::int64_t axis =
        document_.kind(parts[3]) == Kind::integer ? document_.integer(parts[3]) : -1;
    if (axis < 0 || axis >= static_cast<std::int64_t>(quantized.shape.size())) {
      no_tensor("is a quantized tensor with scales for an axis that isn't there");
    }
    result.axis = static_cast<std::size_t>(axis);
    const std::int64_t size = quantized.shape[*result.axis];
    result.scales = vector_for_axis(parts[1], size, "scales");
    result.zero_points = vector_for_axis(parts[2], size, "zero points");
    const DType scale_type = result.scales->dtype;
    const DType zero_type = result.zero_points->dtype;
    if ((scale_type != DType::float64 && scale_type != DType::float32) ||
        (zero_type != DType::int64 && zero_type != DType::int32)) {
      no_tensor("is a quantized tensor with scales of {} and zero points of {}",
                to_string(scale_type), to_string(zero_type));
    }
  } else {
    no_tensor("is a tensor that is quantized in a way that is not read");
  }
  return std::make_shared<const Quantizer>(std::move(result));
}

Tensor TensorRecords::vector_for_axis(ValueId value, std::int64_t size, const char* what) {
  const std::string_view function = rebuild_function(value);
  if (function != "_rebuild_tensor_v2" && function != "_rebuild_tensor") {
    no_tensor("is a quantized tensor whose {} are {}", what, describe_value(document_, value));
  }
  Tensor result = typed_tensor(document_.arguments(value));
  if (result.shape != std::vector<std::int64_t>{size}) {
    no_tensor("is a quantized tensor whose {} are {}, expected {}", what, shape_text(result.shape),
              shape_text(std::array{size}));
  }
  return result;
}

// (storage, storage_offset, size, stride, requires_grad, hooks, dtype, …)
Tensor TensorRecords::tensor_of_untyped_storage(std::span<const ValueId> arguments) {
  if (arguments.size() < 7) no_tensor("is a tensor with too few arguments");
  Storage lies_in = storage(arguments[0]);
  const DType dtype = dtype_object(arguments[6]);
  if (!lies_in.dtype) {
    if (lies_in.first != 0) no_tensor("is a tensor on a part of a storage without a type");
    lies_in.elements /= size_of(dtype);
    lies_in.usable /= size_of(dtype);
  } else if (*lies_in.dtype != dtype) {
    no_tensor("is a tensor of {} on a storage of {}", to_string(dtype), to_string(*lies_in.dtype));
  }
  return laid_out(lies_in, dtype, arguments);
}

DType TensorRecords::dtype_object(ValueId value) const {
  if (document_.kind(value) == Kind::global && document_.module(value) == "torch") {
    for (const DType dtype : kDTypes) {
      if (to_string(dtype) == document_.name(value)) return dtype;
    }
  }
  no_tensor("is a tensor of an unknown type ({})", pickle::describe(document_, value));
}

TensorRecords::Storage TensorRecords::storage(ValueId value) {
  if (document_.kind(value) != Kind::persistent_id) {
    no_tensor("is a tensor whose storage is {}", pickle::describe(document_, value));
  }
  const auto id = storage_id(document_, value);
  if (!id) no_tensor("is a tensor with a malformed reference to its storage");
  if (!id->untyped() && !id->dtype()) {
    no_tensor("is a tensor on a storage of the unknown type {}.{}", printable(id->module),
              printable(id->name));
  }
  check_consistent(*id);
  Storage result{std::string(id->key), id->dtype(), id->elements, 0, id->elements};
  if (id->view) {
    result.first = id->view->offset;
    result.usable = id->view->elements;
  }
  return result;
}

// Every reference to a storage must say the same of it, and so for a view.
void TensorRecords::check_consistent(const StorageId& id) {
  const StorageId& known = known_storages_.emplace(id.key, id).first->second;
  if (known.dtype() != id.dtype() || known.untyped() != id.untyped() ||
      known.elements != id.elements) {
    no_tensor("is a tensor on storage '{}', of which the file says two different things",
              printable(id.key));
  }
  if (!id.view) return;
  const StorageId& view = known_views_.emplace(id.view->key, id).first->second;
  if (view.key != id.key || view.view->offset != id.view->offset ||
      view.view->elements != id.view->elements) {
    no_tensor("is a tensor on part '{}' of a storage, of which the file says two different things",
              printable(id.view->key));
  }
}

// A tuple of numbers, or torch.Size of one.
std::vector<std::int64_t> TensorRecords::numbers(ValueId value, const char* what) const {
  if (document_.kind(value) == Kind::object &&
      document_.is_global(document_.callable(value), "torch", "Size") &&
      document_.arguments(value).size() == 1) {
    value = document_.arguments(value)[0];
  }
  const Kind kind = document_.kind(value);
  if (kind != Kind::tuple && kind != Kind::list) {
    no_tensor("is a tensor whose {} is {}", what, pickle::describe(document_, value));
  }
  std::vector<std::int64_t> result;
  if (document_.elements(value).size() > limits::kTensorRank) {
    no_tensor("is a tensor of {} dimensions", document_.elements(value).size());
  }
  for (const ValueId element : document_.elements(value)) {
    if (document_.kind(element) != Kind::integer || document_.integer(element) < 0) {
      no_tensor("is a tensor whose {} has {} in it", what, pickle::describe(document_, element));
    }
    result.push_back(document_.integer(element));
  }
  return result;
}

// Takes offset, size and stride from arguments 1 to 3 and checks them against the storage.
Tensor TensorRecords::laid_out(const Storage& storage, DType dtype,
                               std::span<const ValueId> arguments) const {
  Tensor result;
  result.dtype = dtype;
  result.storage = storage.key;
  if (document_.kind(arguments[1]) != Kind::integer || document_.integer(arguments[1]) < 0) {
    no_tensor("is a tensor whose offset is {}", pickle::describe(document_, arguments[1]));
  }
  result.storage_offset = document_.integer(arguments[1]);
  result.shape = numbers(arguments[2], "size");
  result.strides = numbers(arguments[3], "stride");
  if (result.shape.size() != result.strides.size()) {
    no_tensor("is a tensor with {} sizes and {} strides", result.shape.size(),
              result.strides.size());
  }
  const auto elements = checked_product(result.shape);
  if (!elements) no_tensor("is a tensor with more elements than can be counted");
  result.elements = *elements;
  // An empty tensor may lie on a storage that isn't there, but not on one that is too short.
  if (result.elements > 0 || storage.elements > 0) check_promise(result, storage);
  if (result.elements > 0) check_extent(result, storage);
  return result;
}

// Whether the storage is as long as the file says of it.
void TensorRecords::check_promise(const Tensor& tensor, const Storage& storage) const {
  const std::optional<std::uint64_t> bytes = storages_.size(storage.key);
  if (!bytes) {
    no_tensor("is a tensor whose storage '{}' is missing from the file", printable(storage.key));
  }
  const auto promised = checked_multiply<std::uint64_t>(storage.elements, size_of(tensor.dtype));
  if (!promised || *promised > *bytes) {
    no_tensor("is a tensor whose storage '{}' should have {} elements of {} and has {}",
              printable(storage.key), storage.elements, to_string(tensor.dtype),
              plural(*bytes, "byte"));
  }
}

// Also moves the offset from the view to the whole storage.
void TensorRecords::check_extent(Tensor& tensor, const Storage& storage) const {
  // Everything below is at most `storage.elements`, which fits after check_promise().
  const auto available = static_cast<std::int64_t>(storage.usable);
  std::int64_t last = tensor.storage_offset;
  for (std::size_t i = 0; i < tensor.shape.size() && last < available; ++i) {
    const auto step = checked_multiply(tensor.shape[i] - 1, tensor.strides[i]);
    const auto next = step ? checked_add(last, *step) : std::nullopt;
    last = next ? *next : available;
  }
  if (last >= available) {
    no_tensor(
        "is a tensor {} with strides {} from element {} on, which reaches beyond its "
        "storage of {} elements",
        shape_text(tensor.shape), shape_text(tensor.strides), tensor.storage_offset, available);
  }
  if (tensor.elements > available) {
    no_tensor("is a tensor {} expanded from a storage of {} elements", shape_text(tensor.shape),
              available);
  }
  tensor.storage_offset += static_cast<std::int64_t>(storage.first);
}

}  // namespace aether2onnx::state_dict
