// Reads and checks the tensors of a pickle. A tensor in a pickle is a call of a function of
// PyTorch, for example _rebuild_tensor_v2. Source: torch/_utils.py.

#include <algorithm>
#include <array>
#include <cmath>
#include <unordered_set>

#include "base/checked.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "formats/torch/calls.h"
#include "formats/torch/layout.h"
#include "formats/torch/sparse.h"
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

// Error codes for tensors that are well-formed, but that this program does not read.
constexpr const char* kUnread = "torch-tensor-kind";
constexpr const char* kExpanded = "torch-tensor-expanded";

// Reads and checks the tensors of one pickle.
class TensorRecords {
 public:
  TensorRecords(const Document& document, const formats::Storages& storages)
      : document_(document), file_(storages), storages_(document, storages) {}

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
    const bool in_zip = parts == 5;
    if (!in_zip && document_.kind(value) == Kind::global &&
        document_.module(value) == "torch.tensor") {
      return "uses a name from the old module torch.tensor, which only zip files may use";
    }
    if (!id) {
      return in_zip && document_.kind(value) == Kind::persistent_id
                 ? "refers to data outside the pickle that are no storage"
                 : "";
    }
    if (document_.elements(document_.persistent(value)).size() != parts) {
      return fmt::format(
          "refers to storage '{}' in a form that PyTorch does not use in this file format",
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
  // Notes why a well-formed tensor is not read. The checks of the tensor go on, because PyTorch
  // refuses the file if a later check fails. After all checks, tensor() throws the first note.
  template <typename... Args>
  void not_read(const char* code, fmt::format_string<Args...> format, Args&&... args) {
    if (!unread_) unread_ = NotATensor{code, fmt::format(format, std::forward<Args>(args)...)};
  }

  Tensor tensor(ValueId value) {
    unread_.reset();
    Tensor result = checked_tensor(value);
    if (unread_) throw NotATensor(*unread_);
    return result;
  }

  Tensor checked_tensor(ValueId value) {
    std::optional<ValueId> requires_grad;  // of the parameter around the tensor
    for (int depth = 0; depth < limits::kTensorCalls; ++depth) {
      std::string_view function = rebuild_function(document_, value);
      if (function.empty()) {
        no_tensor("torch-no-tensor", "is {}, not a tensor", torch::describe(document_, value));
      }
      auto arguments = document_.arguments(value);
      // For a tensor with its own attributes, PyTorch writes the call _rebuild_from_type(function,
      // type, arguments, attributes). This call rebuilds the tensor by function(*arguments).
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
        no_tensor("torch-tensor-arguments",
                  "is a call with too few arguments for a torch.nn.Parameter");
      }
      value = arguments[0];
      requires_grad = arguments[1];
    }
    no_tensor("torch-tensor-arguments", "is a torch.nn.Parameter that contains another Parameter");
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
      const bool is_packed = storages_.storage(arguments[0]).elements_per_byte > 1;
      if (arguments.size() < 7) {
        no_tensor("torch-tensor-arguments",
                  "is a call with too few arguments for a quantized tensor");
      }
      check_gradient(arguments[5], result.dtype);
      result.quantizer = quantizer(result, arguments[4], is_packed);
      if (is_packed) {
        not_read(kUnread, "is a tensor of a type with several elements in a byte");
      }
      return result;
    }
    if (function.starts_with("_rebuild_sparse_")) {
      Tensor values = check_sparse(document_, arguments, file_,
                                   [&](ValueId part) { return part_of_sparse(part); });
      not_read(kUnread, "is a sparse tensor");
      return values;
    }
    if (function == "_rebuild_meta_tensor_no_storage" && arguments.size() > 3) {
      const auto shape = sizes(document_, arguments[1], "size");
      if (shape.size() != sizes(document_, arguments[2], "stride").size()) {
        no_tensor("torch-tensor-layout",
                  "is a tensor with a different number of sizes and strides");
      }
      if (!checked_product(shape)) {
        no_tensor("torch-tensor-elements",
                  "is a tensor with more elements than a 64-bit number can count");
      }
      Tensor result;
      const auto unread = unread_dtype(document_, arguments[0]);
      result.dtype = unread ? *unread : dtype_object(arguments[0]);
      check_gradient(arguments[3], result.dtype);
      not_read(kUnread, "is a tensor without data (made on the 'meta' device)");
      return result;
    }
    no_tensor(kUnread, "is a tensor of a kind that aether2onnx does not read ({})",
              printable(function));
  }

  // Reads `part`: the indices or the values of a sparse tensor. PyTorch reads all elements of each
  // part when PyTorch loads the file. If many parts share one storage, a small file could take long
  // to load. Therefore throws if the parts of all sparse tensors have more than four times as many
  // elements as their storages. The gaps between the elements of a part count as elements.
  Tensor part_of_sparse(ValueId part) {
    Tensor result = checked_tensor(part);
    if (unread_) {
      no_tensor("torch-tensor-sparse",
                "is a sparse tensor whose indices or values are expanded, negated or of a type "
                "that aether2onnx does not read");
    }
    if (result.elements > 0) {
      const std::int64_t span = reach(result).value_or(0) + 1;
      sparse_elements_ += static_cast<std::uint64_t>(std::max(span, result.elements));
    }
    if (sparse_storages_.insert(result.storage).second) {
      stored_elements_ += storages_.bytes(result.storage) / size_of(result.dtype);
    }
    if (sparse_elements_ > 4 * stored_elements_) {
      no_tensor("torch-tensor-sparse",
                "is a sparse tensor; all sparse tensors together have over 4 times the elements "
                "that the file stores for them");
    }
    return result;
  }

  // Calls not_read() if a tensor's metadata (`arguments[at]`) state that the storage contains the
  // elements negated or conjugated. Throws if the metadata of a real tensor have the key "conj".
  void check_metadata(std::span<const ValueId> arguments, std::size_t at, DType dtype) {
    if (arguments.size() <= at) return;
    for (const auto& [key, value] : document_.pairs(arguments[at])) {
      if (document_.text(key) == "conj" && !is_complex(dtype)) {
        no_tensor("torch-tensor-conflict",
                  "is a conjugated tensor of {}, but only complex tensors can be conjugated",
                  to_string(dtype));
      }
    }
    if (!document_.pairs(arguments[at]).empty()) {
      not_read(kUnread, "is a tensor that is stored negated or conjugated");
    }
  }

  // Throws, as PyTorch does, if a tensor requires gradients but has no floating or complex type.
  void check_gradient(ValueId requires_grad, DType dtype) const {
    const bool wanted =
        document_.kind(requires_grad) == Kind::boolean && document_.boolean(requires_grad);
    if (wanted && !is_differentiable(dtype)) {
      no_tensor("torch-tensor-gradient",
                "is a tensor of {} that requires gradients, which only floating-point types have",
                to_string(dtype));
    }
  }

  // Reads a tensor on a typed storage. Arguments: (storage, storage_offset, size, stride, …).
  Tensor typed_tensor(std::span<const ValueId> arguments, bool quantized = false) {
    if (arguments.size() < 4) {
      no_tensor("torch-tensor-arguments", "is a call with too few arguments for a tensor");
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
                quantized ? "quantized" : "unquantized", to_string(*lies_in.dtype));
    }
    return laid_out(lies_in, *lies_in.dtype, arguments);
  }

  // Reads a tensor whose type is an argument, because its storage may be untyped. The arguments are
  // (storage, storage_offset, size, stride, requires_grad, hooks, dtype, …).
  Tensor tensor_of_untyped_storage(std::span<const ValueId> arguments) {
    if (arguments.size() < 7) {
      no_tensor("torch-tensor-arguments", "is a call with too few arguments for a tensor");
    }
    Storage lies_in = storages_.storage(arguments[0]);
    if (!lies_in.dtype && storages_.big_endian()) {
      no_tensor("torch-tensor-order", "is a tensor on a big-endian storage without a type");
    }
    const auto unread = unread_dtype(document_, arguments[6]);
    const DType dtype = unread ? *unread : dtype_object(arguments[6]);
    if (!lies_in.dtype) {
      if (lies_in.first != 0) {
        no_tensor("torch-tensor-conflict",
                  "is a tensor on a part of an untyped storage, which can't have parts");
      }
      lies_in.elements /= size_of(dtype);
      lies_in.usable /= size_of(dtype);
    } else if (*lies_in.dtype != dtype) {
      no_tensor("torch-tensor-conflict", "is a tensor of {} on a storage of {}", to_string(dtype),
                to_string(*lies_in.dtype));
    }
    Tensor result = laid_out(lies_in, dtype, arguments);
    if (unread) {
      not_read(kUnread, "is a tensor of a type that aether2onnx does not read ({})",
               pickle::describe(document_, arguments[6]));
    }
    return result;
  }

  DType dtype_object(ValueId value) const {
    if (const auto dtype = named_dtype(document_, value)) return *dtype;
    no_tensor("torch-tensor-type",
              "is a tensor of the type {}, which PyTorch does not allow for this kind of tensor",
              pickle::describe(document_, value));
  }

  // --- quantized tensors ---

  // Reads how a tensor is quantized: (per_tensor_affine, scale, zero_point) or (per_channel_affine,
  // scales, zero_points, axis). If `is_packed`, the tensor has several elements in a byte and is
  // not read. The types of scales and zero points are then not checked.
  std::shared_ptr<const Quantizer> quantizer(const Tensor& quantized, ValueId value,
                                             bool is_packed) {
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
        no_tensor(
            "torch-tensor-quantized",
            "is a quantized tensor with scale {} and zero point {}, but the scale must be a finite "
            "number above 0 and the zero point must fit the type",
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
      if (is_packed) return nullptr;
      const DType scale_type = result.scales->dtype;
      const DType zero_type = result.zero_points->dtype;
      if (is_scheme(4, "per_channel_affine_float_qparams") && is_weight_dtype(scale_type) &&
          is_weight_dtype(zero_type)) {
        not_read(kUnread,
                 "is a tensor of a kind that aether2onnx does not read "
                 "(per_channel_affine_float_qparams)");
        return nullptr;
      }
      // PyTorch writes scales as float64 and zero points as int64. PyTorch converts any other type
      // as soon as PyTorch rebuilds the tensor. In PyTorch's format from before 1.6, PyTorch reads
      // the elements later, so the conversion would copy uninitialized memory.
      if (!is_scheme(4, "per_channel_affine") || scale_type != DType::float64 ||
          zero_type != DType::int64) {
        no_tensor("torch-tensor-quantized",
                  "is a quantized tensor with scales of {} and zero points of {}; PyTorch does not "
                  "write these types for this quantization",
                  to_string(scale_type), to_string(zero_type));
      }
    } else {
      no_tensor(
          "torch-tensor-quantized",
          "is a tensor whose quantization is neither per_tensor_affine nor per_channel_affine");
    }
    return std::make_shared<const Quantizer>(std::move(result));
  }

  static bool is_zero_point(std::int64_t number, DType dtype) {
    if (dtype == DType::qint8) return std::in_range<std::int8_t>(number);
    if (dtype == DType::quint8) return std::in_range<std::uint8_t>(number);
    return std::in_range<std::int32_t>(number);
  }

  Tensor vector_for_axis(ValueId value, std::int64_t size, const char* what) {
    const std::string_view function = rebuild_function(document_, value);
    if (function != "_rebuild_tensor_v2" && function != "_rebuild_tensor") {
      no_tensor("torch-tensor-quantized", "is a quantized tensor whose {} are {}", what,
                torch::describe(document_, value));
    }
    Tensor result = typed_tensor(document_.arguments(value));
    check_metadata(document_.arguments(value), 6, result.dtype);
    if (result.shape != std::vector<std::int64_t>{size}) {
      no_tensor("torch-tensor-quantized", "is a quantized tensor whose {} are {}, expected {}",
                what, shape_text(result.shape), shape_text(std::array{size}));
    }
    if (size > 1 && result.strides[0] != 1) {  // else PyTorch would copy uninitialized memory
      no_tensor("torch-tensor-quantized",
                "is a quantized tensor whose {} have the stride {}, expected 1", what,
                result.strides[0]);
    }
    return result;
  }

  // --- layout ---

  // Reads offset, size and stride from arguments 1 to 3. Throws if they do not fit the storage.
  Tensor laid_out(const Storage& storage, DType dtype, std::span<const ValueId> arguments) {
    Tensor result;
    result.dtype = dtype;
    result.storage = storage.key;
    if (document_.kind(arguments[1]) != Kind::integer || document_.integer(arguments[1]) < 0) {
      no_tensor("torch-tensor-layout", "is a tensor whose offset is {}",
                pickle::describe(document_, arguments[1]));
    }
    result.storage_offset = document_.integer(arguments[1]);
    result.shape = sizes(document_, arguments[2], "size");
    result.strides = sizes(document_, arguments[3], "stride");
    if (result.shape.size() != result.strides.size()) {
      no_tensor("torch-tensor-layout", "is a tensor with {} sizes and {} strides",
                result.shape.size(), result.strides.size());
    }
    const auto elements = checked_product(result.shape);
    if (!elements) {
      no_tensor("torch-tensor-elements",
                "is a tensor with more elements than a 64-bit number can count");
    }
    result.elements = *elements;
    storages_.check_promise(storage.key, storage.elements, size_of(dtype));
    if (is_complex(dtype) && storages_.big_endian()) {
      not_read(kUnread, "is a big-endian tensor of complex numbers");
    }
    if (result.elements > 0) check_extent(result, storage);
    return result;
  }

  // Throws if an element of the tensor lies outside `storage`. In files from before PyTorch 0.4,
  // `storage` may be a view, which is a part of a larger storage. The tensor's offset is then an
  // offset in the view, and check_extent() changes it to an offset in the larger storage.
  void check_extent(Tensor& tensor, const Storage& storage) {
    // check_promise() has checked that `storage.elements` fits 63 bits. `storage.usable` and
    // `storage.first` are not larger, so the casts to std::int64_t do not overflow.
    const auto available = static_cast<std::int64_t>(storage.usable);
    const auto distance = reach(tensor);
    const auto last = distance ? checked_add(tensor.storage_offset, *distance) : std::nullopt;
    if (!last || *last >= available) {
      no_tensor("torch-tensor-extent",
                "is a tensor {} with strides {} that begins at element {} and reaches beyond its "
                "storage of {} elements",
                shape_text(tensor.shape), shape_text(tensor.strides), tensor.storage_offset,
                available);
    }
    // PyTorch allocates memory for all elements of a quantized tensor before PyTorch checks the
    // storage. A small file could use much memory, so refuse more elements than the storage has.
    const bool quantized = tensor.dtype == DType::qint8 || tensor.dtype == DType::quint8 ||
                           tensor.dtype == DType::qint32;
    if (quantized && tensor.elements > available) {
      no_tensor("torch-tensor-quantized",
                "is a quantized tensor with more elements than its storage");
    }
    if (tensor.elements - available > limits::kExpandedElements) {
      not_read(kExpanded,
               "is a tensor {} that is too large: it is expanded from a storage of {} elements",
               shape_text(tensor.shape), available);
    }
    tensor.storage_offset += static_cast<std::int64_t>(storage.first);
  }

  const Document& document_;
  const formats::Storages& file_;
  StorageTable storages_;
  std::optional<NotATensor> unread_;  // why the tensor that is checked is not read
  std::unordered_set<std::string> sparse_storages_;
  std::uint64_t sparse_elements_ = 0;
  std::uint64_t stored_elements_ = 0;
};

}  // namespace

std::vector<Record> describe_tensors(const Document& document, const formats::Storages& storages,
                                     const std::vector<NamedValue>& values) {
  TensorRecords tensors(document, storages);
  std::vector<Record> records;
  records.reserve(values.size());
  for (const auto& [name, value] : values) records.push_back(tensors.describe(name, value));
  return records;
}

formats::Audit audit(const File& file) {
  constexpr std::size_t most = 20;
  constexpr std::size_t most_problems = 10'000;  // limits the time: some microseconds each
  std::size_t problems = 0;
  const Document& document = file.document;
  formats::Audit result;
  result.end = file.storages->end();
  result.big_endian = file.storages->big_endian();
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
    if (record.tensor || record.problem_code == kUnread || record.problem_code == kExpanded)
      continue;
    contradiction(value, std::move(record.problem));
    if (++problems == most_problems) return result;
  }
  for (std::string& key : file.storages->keys()) {
    if (result.unused_storages.size() == most) break;
    if (!used.contains(key)) result.unused_storages.push_back(std::move(key));
  }
  return result;
}

}  // namespace aether2onnx::torch
