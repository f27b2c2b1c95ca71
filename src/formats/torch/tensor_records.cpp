// Describes and checks the tensors in a pickle, which are calls of PyTorch's rebuild functions.
// Source: torch/_utils.py.

#include <array>
#include <cmath>
#include <unordered_set>

#include "base/checked.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "formats/torch/storage_ids.h"
#include "formats/torch/storage_table.h"
#include "formats/torch/torch.h"

namespace aether2onnx::torch {

namespace {

using formats::Quantizer;
using formats::Record;
using formats::Tensor;
using pickle::Document;
using pickle::Kind;
using pickle::ValueId;

// The types that a torch.dtype may name in a call of _rebuild_tensor_v3(…, dtype).
constexpr std::array kDTypes = {
    DType::float64,       DType::float32,     DType::float16, DType::bfloat16, DType::complex64,
    DType::complex128,    DType::int64,       DType::int32,   DType::int16,    DType::int8,
    DType::uint64,        DType::uint32,      DType::uint16,  DType::uint8,    DType::boolean,
    DType::float8_e4m3fn, DType::float8_e5m2,
};

// The largest depth of nested calls. A parameter is a call whose argument is the call of a tensor.
constexpr int kNestedCalls = 4;

// Returns the function that a call names, for example "_rebuild_tensor_v2"; "" if the value is no
// call of PyTorch's rebuild functions.
std::string_view rebuild_function(const Document& document, ValueId value) {
  if (document.kind(value) != Kind::object) return {};
  const ValueId callable = document.callable(value);
  if (document.kind(callable) != Kind::global) return {};
  const std::string_view module = document.module(callable);
  const std::string_view name = document.name(callable);
  const bool rebuilds =
      (module == "torch._utils" || module == "torch._tensor") && name.starts_with("_rebuild_");
  return rebuilds ? name : std::string_view{};
}

// Describes and checks the tensors of one pickle.
class TensorRecords {
 public:
  TensorRecords(const Document& document, const formats::Storages& storages)
      : document_(document), storages_(document, storages) {}

  Record describe(std::string name, ValueId value) {
    Record record{std::move(name), std::nullopt, {}, {}};
    try {
      record.tensor = tensor(value);
    } catch (const NotATensor& reason) {
      record.problem = reason.problem;
      record.problem_code = reason.code;
    }
    return record;
  }

  // Checks a reference to a storage, even if no tensor uses the reference. `parts` is the number of
  // elements that the reference's tuple should have. Returns the problem; "" if there is none.
  std::string check_reference(ValueId value, std::size_t parts) {
    const auto id = storage_id(document_, value);
    if (!id) return "";
    if (document_.elements(document_.persistent(value)).size() != parts) {
      return fmt::format("refers to storage '{}' in the form of PyTorch's other file format",
                         printable(id->key));
    }
    try {
      if (id->element_size()) storages_.check_consistent(*id);
      storages_.check_promise(id->key, id->elements, id->element_size());
    } catch (const NotATensor& reason) {
      return reason.problem;
    }
    return "";
  }

 private:
  Tensor tensor(ValueId value) {
    std::optional<ValueId> requires_grad;  // of the parameter around the tensor
    for (int depth = 0; depth < kNestedCalls; ++depth) {
      std::string_view function = rebuild_function(document_, value);
      if (function.empty()) {
        no_tensor("torch-no-tensor", "is {}, not a tensor", torch::describe(document_, value));
      }
      auto arguments = document_.arguments(value);
      // A tensor with its own attributes has the arguments (function, type, arguments, attributes).
      if (function.starts_with("_rebuild_from_type") && arguments.size() > 2) {
        function = document_.kind(arguments[0]) == Kind::global ? document_.name(arguments[0]) : "";
        arguments = document_.elements(arguments[2]);
      }
      if (function != "_rebuild_parameter" && function != "_rebuild_parameter_with_state") {
        Tensor result = rebuilt(function, arguments);
        if (requires_grad) check_gradient(*requires_grad, result.dtype);
        return result;
      }
      if (arguments.size() < 2) {
        no_tensor("torch-tensor-arguments", "is a parameter with too few arguments");
      }
      value = arguments[0];
      requires_grad = arguments[1];
    }
    no_tensor("torch-tensor-arguments", "is a parameter within a parameter");
  }

  Tensor rebuilt(std::string_view function, std::span<const ValueId> arguments) {
    if (function == "_rebuild_tensor") return typed_tensor(arguments);
    if (function == "_rebuild_tensor_v2" || function == "_rebuild_tensor_v3") {
      const bool typed = function == "_rebuild_tensor_v2";
      Tensor result = typed ? typed_tensor(arguments) : tensor_of_untyped_storage(arguments);
      if (arguments.size() > 4) check_gradient(arguments[4], result.dtype);
      check_metadata(arguments, typed ? 6 : 7, result.dtype);
      return result;
    }
    if (function == "_rebuild_qtensor") {
      Tensor result = typed_tensor(arguments, true);
      if (arguments.size() < 7) {
        no_tensor("torch-tensor-arguments", "is a quantized tensor with too few arguments");
      }
      check_gradient(arguments[5], result.dtype);
      result.quantizer = quantizer(result, arguments[4]);
      return result;
    }
    if (function == "_rebuild_sparse_tensor") {
      no_tensor("torch-tensor-kind", "is a sparse tensor");
    }
    if (function == "_rebuild_meta_tensor_no_storage") {
      if (arguments.size() > 3) check_gradient(arguments[3], dtype_object(arguments[0]));
      no_tensor("torch-tensor-kind", "is a tensor without data (made on the 'meta' device)");
    }
    no_tensor("torch-tensor-kind", "is a tensor of a kind that is not read ({})",
              printable(function));
  }

  // Throws if the metadata of a tensor, argument `at`, state that the storage has the elements
  // negated or conjugated. Only complex numbers can be conjugated.
  void check_metadata(std::span<const ValueId> arguments, std::size_t at, DType dtype) const {
    if (arguments.size() <= at) return;
    for (const auto& [key, value] : document_.pairs(arguments[at])) {
      if (document_.text(key) == "conj" && !is_complex(dtype)) {
        no_tensor("torch-tensor-conflict", "is a conjugated tensor of {}", to_string(dtype));
      }
    }
    if (!document_.pairs(arguments[at]).empty()) {
      no_tensor("torch-tensor-kind", "is a tensor that is stored negated or conjugated");
    }
  }

  static bool is_floating(DType dtype) {
    return is_weight_dtype(dtype) || dtype == DType::float8_e4m3fn || dtype == DType::float8_e5m2;
  }

  static bool is_complex(DType dtype) {
    return dtype == DType::complex64 || dtype == DType::complex128;
  }

  // Throws, as PyTorch does, if a tensor requires gradients but has no floating or complex type.
  void check_gradient(ValueId requires_grad, DType dtype) const {
    const bool wanted =
        document_.kind(requires_grad) == Kind::boolean && document_.boolean(requires_grad);
    if (wanted && !is_floating(dtype) && !is_complex(dtype)) {
      no_tensor("torch-tensor-gradient",
                "is a tensor of {} that requires gradients, which only floating-point types have",
                to_string(dtype));
    }
  }

  // Reads a tensor on a typed storage. Arguments: (storage, storage_offset, size, stride, …).
  Tensor typed_tensor(std::span<const ValueId> arguments, bool quantized = false) {
    if (arguments.size() < 4) {
      no_tensor("torch-tensor-arguments", "is a tensor with too few arguments");
    }
    const Storage lies_in = storages_.storage(arguments[0]);
    if (!lies_in.dtype) {
      no_tensor("torch-tensor-conflict", "is a tensor on a storage without a type");
    }
    const bool stored_quantized = *lies_in.dtype == DType::qint8 ||
                                  *lies_in.dtype == DType::quint8 ||
                                  *lies_in.dtype == DType::qint32;
    if (stored_quantized != quantized) {
      no_tensor("torch-tensor-conflict", "is a {} tensor on a storage of {}",
                quantized ? "quantized" : "plain", to_string(*lies_in.dtype));
    }
    return laid_out(lies_in, *lies_in.dtype, arguments);
  }

  // Reads a tensor whose type is an argument, because its storage may be untyped. The arguments are
  // (storage, storage_offset, size, stride, requires_grad, hooks, dtype, …).
  Tensor tensor_of_untyped_storage(std::span<const ValueId> arguments) {
    if (arguments.size() < 7) {
      no_tensor("torch-tensor-arguments", "is a tensor with too few arguments");
    }
    Storage lies_in = storages_.storage(arguments[0]);
    const DType dtype = dtype_object(arguments[6]);
    if (!lies_in.dtype) {
      if (lies_in.first != 0) {
        no_tensor("torch-tensor-conflict", "is a tensor on a part of a storage without a type");
      }
      lies_in.elements /= size_of(dtype);
      lies_in.usable /= size_of(dtype);
    } else if (*lies_in.dtype != dtype) {
      no_tensor("torch-tensor-conflict", "is a tensor of {} on a storage of {}", to_string(dtype),
                to_string(*lies_in.dtype));
    }
    return laid_out(lies_in, dtype, arguments);
  }

  DType dtype_object(ValueId value) const {
    if (document_.kind(value) == Kind::global && document_.module(value) == "torch") {
      for (const DType dtype : kDTypes) {
        if (to_string(dtype) == document_.name(value)) return dtype;
      }
    }
    no_tensor("torch-tensor-kind", "is a tensor of a type that is not read ({})",
              pickle::describe(document_, value));
  }

  // --- quantized tensors ---

  // Reads how a tensor is quantized: (per_tensor_affine, scale, zero_point) or (per_channel_affine,
  // scales, zero_points, axis).
  std::shared_ptr<const Quantizer> quantizer(const Tensor& quantized, ValueId value) {
    const auto parts = document_.kind(value) == Kind::tuple ? document_.elements(value)
                                                            : std::span<const ValueId>{};
    const auto is_scheme = [&](std::size_t size, std::string_view name) {
      return parts.size() == size && document_.is_global(parts[0], "torch", name);
    };
    Quantizer result;
    if (is_scheme(3, "per_tensor_affine")) {
      if (document_.kind(parts[1]) != Kind::real || document_.kind(parts[2]) != Kind::integer) {
        no_tensor("torch-tensor-quantized",
                  "is a quantized tensor whose scale and zero point are no numbers");
      }
      result.scale = document_.real(parts[1]);
      result.zero_point = document_.integer(parts[2]);
      if (!(result.scale > 0) || !std::isfinite(result.scale) ||
          !is_zero_point(result.zero_point, quantized.dtype)) {
        no_tensor("torch-tensor-quantized", "is a quantized tensor with scale {} and zero point {}",
                  result.scale, result.zero_point);
      }
    } else if (is_scheme(4, "per_channel_affine") ||
               is_scheme(4, "per_channel_affine_float_qparams")) {
      const std::int64_t axis =
          document_.kind(parts[3]) == Kind::integer ? document_.integer(parts[3]) : -1;
      if (axis < 0 || axis >= static_cast<std::int64_t>(quantized.shape.size())) {
        no_tensor("torch-tensor-quantized",
                  "is a quantized tensor with scales for an axis that does not exist");
      }
      result.axis = static_cast<std::size_t>(axis);
      const std::int64_t size = quantized.shape[*result.axis];
      result.scales = vector_for_axis(parts[1], size, "scales");
      result.zero_points = vector_for_axis(parts[2], size, "zero points");
      const DType scale_type = result.scales->dtype;
      const DType zero_type = result.zero_points->dtype;
      if (is_scheme(4, "per_channel_affine_float_qparams") && is_weight_dtype(scale_type) &&
          is_weight_dtype(zero_type)) {
        no_tensor("torch-tensor-kind", "is a tensor with the quantization of embeddings");
      }
      // PyTorch writes these types. While PyTorch reads a legacy stream, storages are empty, so a
      // conversion to these types would copy memory that nothing was written to.
      if (!is_scheme(4, "per_channel_affine") || scale_type != DType::float64 ||
          zero_type != DType::int64) {
        no_tensor("torch-tensor-quantized",
                  "is a quantized tensor with scales of {} and zero points of {}",
                  to_string(scale_type), to_string(zero_type));
      }
    } else {
      no_tensor("torch-tensor-quantized", "is a tensor that is quantized in an unknown way");
    }
    return std::make_shared<const Quantizer>(std::move(result));
  }

  static bool is_zero_point(std::int64_t number, DType dtype) {
    if (dtype == DType::qint8) return number >= -128 && number <= 127;
    if (dtype == DType::quint8) return number >= 0 && number <= 255;
    return number >= INT32_MIN && number <= INT32_MAX;
  }

  Tensor vector_for_axis(ValueId value, std::int64_t size, const char* what) {
    const std::string_view function = rebuild_function(document_, value);
    if (function != "_rebuild_tensor_v2" && function != "_rebuild_tensor") {
      no_tensor("torch-tensor-quantized", "is a quantized tensor whose {} are {}", what,
                torch::describe(document_, value));
    }
    Tensor result = typed_tensor(document_.arguments(value));
    if (result.shape != std::vector<std::int64_t>{size}) {
      no_tensor("torch-tensor-quantized", "is a quantized tensor whose {} are {}, expected {}",
                what, shape_text(result.shape), shape_text(std::array{size}));
    }
    if (size > 1 && result.strides[0] != 1) {  // PyTorch would copy them, as above
      no_tensor("torch-tensor-quantized", "is a quantized tensor whose {} have the stride {}", what,
                result.strides[0]);
    }
    return result;
  }

  // --- layout ---

  // Reads a tuple of sizes or strides, or torch.Size of a tuple. `what` is for messages.
  std::vector<std::int64_t> numbers(ValueId value, const char* what) const {
    if (document_.kind(value) == Kind::object &&
        document_.is_global(document_.callable(value), "torch", "Size") &&
        document_.arguments(value).size() == 1) {
      value = document_.arguments(value)[0];
    }
    const Kind kind = document_.kind(value);
    if (kind != Kind::tuple && kind != Kind::list) {
      no_tensor("torch-tensor-layout", "is a tensor whose {} is {}", what,
                pickle::describe(document_, value));
    }
    const auto elements = document_.elements(value);
    if (elements.size() > limits::kTensorRank) {
      no_tensor("torch-tensor-rank", "is a tensor of {} dimensions", elements.size());
    }
    std::vector<std::int64_t> result;
    for (const ValueId element : elements) {
      if (document_.kind(element) != Kind::integer || document_.integer(element) < 0) {
        no_tensor("torch-tensor-layout", "is a tensor whose {} has {} in it", what,
                  pickle::describe(document_, element));
      }
      result.push_back(document_.integer(element));
    }
    return result;
  }

  // Reads offset, size and stride from arguments 1 to 3. Throws if they do not fit the storage.
  Tensor laid_out(const Storage& storage, DType dtype, std::span<const ValueId> arguments) const {
    Tensor result;
    result.dtype = dtype;
    result.storage = storage.key;
    if (document_.kind(arguments[1]) != Kind::integer || document_.integer(arguments[1]) < 0) {
      no_tensor("torch-tensor-layout", "is a tensor whose offset is {}",
                pickle::describe(document_, arguments[1]));
    }
    result.storage_offset = document_.integer(arguments[1]);
    result.shape = numbers(arguments[2], "size");
    result.strides = numbers(arguments[3], "stride");
    if (result.shape.size() != result.strides.size()) {
      no_tensor("torch-tensor-layout", "is a tensor with {} sizes and {} strides",
                result.shape.size(), result.strides.size());
    }
    const auto elements = checked_product(result.shape);
    if (!elements) {
      no_tensor("torch-tensor-elements", "is a tensor with more elements than can be counted");
    }
    result.elements = *elements;
    storages_.check_promise(storage.key, storage.elements, size_of(dtype));
    if (result.elements > 0) check_extent(result, storage);
    return result;
  }

  // Throws if an element of the tensor lies outside `storage`. In files from before PyTorch 0.4,
  // `storage` may be a view, which is a part of a larger storage. The tensor's offset is then an
  // offset in the view, and check_extent() changes it to an offset in the larger storage.
  void check_extent(Tensor& tensor, const Storage& storage) const {
    // No number below exceeds `storage.elements`. check_promise() has checked that
    // `storage.elements` fits 63 bits.
    const auto available = static_cast<std::int64_t>(storage.usable);
    std::int64_t last = tensor.storage_offset;
    for (std::size_t i = 0; i < tensor.shape.size() && last < available; ++i) {
      const auto step = checked_multiply(tensor.shape[i] - 1, tensor.strides[i]);
      const auto next = step ? checked_add(last, *step) : std::nullopt;
      last = next ? *next : available;
    }
    if (last >= available) {
      no_tensor("torch-tensor-extent",
                "is a tensor {} with strides {} from element {} on, which reaches beyond its "
                "storage of {} elements",
                shape_text(tensor.shape), shape_text(tensor.strides), tensor.storage_offset,
                available);
    }
    // An expanded quantized tensor is refused, because PyTorch allocates memory for all its
    // elements before it checks the storage.
    const bool quantized = tensor.dtype == DType::qint8 || tensor.dtype == DType::quint8 ||
                           tensor.dtype == DType::qint32;
    if (quantized && tensor.elements > available) {
      no_tensor("torch-tensor-quantized", "is an expanded quantized tensor");
    }
    if (tensor.elements - available > limits::kExpandedElements) {
      no_tensor("torch-tensor-expanded", "is a tensor {} expanded from a storage of {} elements",
                shape_text(tensor.shape), available);
    }
    tensor.storage_offset += static_cast<std::int64_t>(storage.first);
  }

  const Document& document_;
  StorageTable storages_;
};

}  // namespace

bool is_tensor(const Document& document, ValueId value) {
  return !rebuild_function(document, value).empty();
}

bool may_be_weight(const Document& document, ValueId value) {
  // The first argument of a parameter is a tensor. The first arguments of a tensor are storage,
  // offset and size.
  for (int depth = 0; depth < kNestedCalls && is_tensor(document, value); ++depth) {
    auto arguments = document.arguments(value);
    if (arguments.size() > 2 && document.kind(arguments[0]) == Kind::global) {
      arguments = document.elements(arguments[2]);  // the arguments of the inner call
    }
    if (arguments.empty()) return true;
    if (is_tensor(document, arguments[0])) {
      value = arguments[0];
      continue;
    }
    if (arguments.size() > 2 && document.kind(arguments[2]) == Kind::tuple &&
        document.elements(arguments[2]).empty()) {
      return false;
    }
    const auto id = storage_id(document, arguments[0]);
    const auto dtype = id ? id->dtype() : std::nullopt;
    return !dtype || !is_counter_dtype(*dtype);
  }
  return is_tensor(document, value);
}

std::vector<Record> describe_tensors(const Document& document, const formats::Storages& storages,
                                     const std::vector<NamedValue>& values) {
  TensorRecords tensors(document, storages);
  std::vector<Record> records;
  records.reserve(values.size());
  for (const auto& [name, value] : values) records.push_back(tensors.describe(name, value));
  return records;
}

std::string describe(const Document& document, ValueId value) {
  if (document.kind(value) == Kind::object) {
    const ValueId callable = document.callable(value);
    if (document.kind(callable) == Kind::persistent_id) {
      const ValueId id = document.persistent(callable);
      const auto parts = document.elements(id);
      if (document.kind(id) == Kind::tuple && parts.size() > 1 &&
          document.kind(parts[1]) == Kind::global) {
        return "an object of " + pickle::describe(document, parts[1]);
      }
    }
  }
  return pickle::describe(document, value);
}

formats::Audit audit(const File& file) {
  constexpr std::size_t most = 20;
  constexpr std::size_t most_problems = 10'000;  // limits the time: some microseconds each
  std::size_t problems = 0;
  const Document& document = file.document;
  formats::Audit result;
  TensorRecords tensors(document, *file.storages);
  std::unordered_set<std::string_view> used;
  const auto contradiction = [&](ValueId value, std::string problem) {
    if (result.contradictions.size() < most) {
      result.contradictions.emplace_back(document.offset(value), std::move(problem));
    }
  };
  for (ValueId value = 0; value < document.value_count(); ++value) {
    if (const auto id = storage_id(document, value)) used.insert(id->key);
    std::string problem = tensors.check_reference(value, file.reference_parts);
    if (!problem.empty()) contradiction(value, std::move(problem));
    if (!is_tensor(document, value)) continue;
    Record record = tensors.describe("", value);
    const bool is_sound = record.tensor || record.problem_code == "torch-tensor-kind" ||
                          record.problem_code == "torch-tensor-expanded";
    if (is_sound) continue;
    contradiction(value, std::move(record.problem));
    if (++problems == most_problems) break;
  }
  for (std::string& key : file.storages->keys()) {
    if (result.unused_storages.size() == most) break;
    if (!used.contains(key)) result.unused_storages.push_back(std::move(key));
  }
  result.end = file.storages->end();
  return result;
}

}  // namespace aether2onnx::torch
