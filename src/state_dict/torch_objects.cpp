#include "state_dict/torch_objects.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>

#include "base/checked.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"

namespace aether2onnx::state_dict {

namespace {

using pickle::Document;
using pickle::Kind;
using pickle::ValueId;

// --- dicts ---

// A dict, or a call that made something filled like one (OrderedDict, defaultdict, EasyDict…).
bool is_dict(const Document& document, ValueId value) {
  return document.kind(value) == Kind::dict ||
         (document.kind(value) == Kind::object &&
          (!document.pairs(value).empty() ||
           document.is_global(document.callable(value), "collections", "OrderedDict")));
}

std::string key_text(const Document& document, ValueId key) {
  switch (document.kind(key)) {
    case Kind::string:
      return std::string(document.text(key));
    case Kind::integer:
      return fmt::format("{}", document.integer(key));
    default:
      return fmt::format("<{}>", pickle::describe(document, key));
  }
}

std::optional<ValueId> find_key(const Document& document, ValueId dict, std::string_view key) {
  std::optional<ValueId> found;
  for (const auto& [name, value] : document.pairs(dict)) {
    if (document.kind(name) == Kind::string && document.text(name) == key) found = value;
  }
  return found;
}

// --- tensors ---

struct StorageClass {
  std::string_view name;  // in module torch, torch.cuda or torch.storage
  DType dtype;
};

// Sources: torch/storage.py and torch/_weights_only_unpickler.py.
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

// The names of torch.dtype objects, as _rebuild_tensor_v3 has them.
constexpr std::array kDTypes = {
    DType::float64,       DType::float32,     DType::float16, DType::bfloat16, DType::complex64,
    DType::complex128,    DType::int64,       DType::int32,   DType::int16,    DType::int8,
    DType::uint64,        DType::uint32,      DType::uint16,  DType::uint8,    DType::boolean,
    DType::float8_e4m3fn, DType::float8_e5m2,
};

// What stands in the persistent id of a storage.
struct StorageReference {
  std::string key;
  std::optional<DType> dtype;  // none for UntypedStorage
  std::uint64_t elements = 0;  // of an UntypedStorage: bytes
};

// Why a value is no well-formed tensor. Caught in this file: it becomes Entry::problem.
struct NotATensor {
  std::string problem;
};

template <typename... Args>
[[noreturn]] void no_tensor(fmt::format_string<Args...> format, Args&&... args) {
  throw NotATensor{fmt::format(format, std::forward<Args>(args)...)};
}

class Describer {
 public:
  Describer(const Document& document, const StorageSource& storages)
      : document_(document), storages_(storages) {}

  // Whether `value` is a call that rebuilds a tensor, well-formed or not.
  bool is_tensor(ValueId value) const { return !rebuild_function(value).empty(); }

  Entry describe(std::string name, ValueId value) {
    Entry entry{std::move(name), std::nullopt, {}};
    try {
      entry.tensor = tensor(value);
    } catch (const NotATensor& reason) {
      entry.problem = reason.problem;
    }
    return entry;
  }

 private:
  // "_rebuild_tensor_v2", or "" where the value isn't a call of torch._utils' rebuild functions.
  std::string_view rebuild_function(ValueId value) const {
    if (document_.kind(value) != Kind::object) return {};
    const ValueId callable = document_.callable(value);
    if (document_.kind(callable) != Kind::global) return {};
    const std::string_view module = document_.module(callable);
    const std::string_view name = document_.name(callable);
    const bool rebuilds =
        (module == "torch._utils" || module == "torch._tensor") && name.starts_with("_rebuild_");
    return rebuilds ? name : std::string_view{};
  }

  Tensor tensor(ValueId value) {
    // A Parameter is a call around a tensor; a few calls around each other are followed.
    for (int depth = 0; depth < 4; ++depth) {
      const std::string_view function = rebuild_function(value);
      if (function.empty()) no_tensor("is {}, not a tensor", pickle::describe(document_, value));
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
        result.quantized = true;
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
  Tensor typed_tensor(std::span<const ValueId> arguments) {
    if (arguments.size() < 4) no_tensor("is a tensor with too few arguments");
    const StorageReference storage = storage_reference(arguments[0]);
    if (!storage.dtype) no_tensor("is a tensor on a storage without a type");
    return laid_out(storage, *storage.dtype, arguments);
  }

  // (storage, storage_offset, size, stride, requires_grad, hooks, dtype, …)
  Tensor tensor_of_untyped_storage(std::span<const ValueId> arguments) {
    if (arguments.size() < 7) no_tensor("is a tensor with too few arguments");
    StorageReference storage = storage_reference(arguments[0]);
    const DType dtype = dtype_object(arguments[6]);
    if (!storage.dtype) storage.elements /= size_of(dtype);
    return laid_out(storage, dtype, arguments);
  }

  DType dtype_object(ValueId value) const {
    if (document_.kind(value) == Kind::global && document_.module(value) == "torch") {
      for (const DType dtype : kDTypes) {
        if (to_string(dtype) == document_.name(value)) return dtype;
      }
    }
    no_tensor("is a tensor of an unknown type ({})", pickle::describe(document_, value));
  }

  // ('storage', class, key, location, elements[, view_metadata])
  StorageReference storage_reference(ValueId value) {
    if (document_.kind(value) != Kind::persistent_id) {
      no_tensor("is a tensor whose storage is {}", pickle::describe(document_, value));
    }
    const ValueId id = document_.persistent(value);
    const auto parts =
        document_.kind(id) == Kind::tuple ? document_.elements(id) : std::span<const ValueId>{};
    const bool well_formed =
        (parts.size() == 5 || parts.size() == 6) && document_.kind(parts[0]) == Kind::string &&
        document_.text(parts[0]) == "storage" && document_.kind(parts[1]) == Kind::global &&
        document_.kind(parts[2]) == Kind::string && document_.kind(parts[3]) == Kind::string &&
        document_.kind(parts[4]) == Kind::integer && document_.integer(parts[4]) >= 0;
    if (!well_formed) no_tensor("is a tensor with a malformed reference to its storage");

    StorageReference reference;
    reference.key = document_.text(parts[2]);
    reference.dtype = storage_dtype(parts[1]);
    reference.elements = static_cast<std::uint64_t>(document_.integer(parts[4]));
    check_consistent(reference);
    return reference;
  }

  std::optional<DType> storage_dtype(ValueId global) const {
    const std::string_view module = document_.module(global);
    const std::string_view name = document_.name(global);
    if (module == "torch.storage" && name == "UntypedStorage") return std::nullopt;
    if (module == "torch" && name == "UntypedStorage") return std::nullopt;
    if (module == "torch" || module == "torch.cuda") {
      for (const StorageClass& known : kStorageClasses) {
        if (known.name == name) return known.dtype;
      }
    }
    no_tensor("is a tensor on a storage of the unknown type {}.{}", printable(module),
              printable(name));
  }

  // Every reference to a storage must say the same of it.
  void check_consistent(const StorageReference& reference) {
    const auto [known, is_new] = known_storages_.emplace(reference.key, reference);
    if (!is_new &&
        (known->second.dtype != reference.dtype || known->second.elements != reference.elements)) {
      no_tensor("is a tensor on storage '{}', of which the file says two different things",
                printable(reference.key));
    }
  }

  // A tuple of numbers, or torch.Size of one.
  std::vector<std::int64_t> numbers(ValueId value, const char* what) const {
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
  Tensor laid_out(const StorageReference& storage, DType dtype,
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
    if (result.elements > 0) check_extent(result, storage);
    return result;
  }

  void check_extent(const Tensor& tensor, const StorageReference& storage) const {
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
    // Everything below is at most `storage.elements`, which fits after the check above.
    const auto available = static_cast<std::int64_t>(*promised / size_of(tensor.dtype));
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
  }

  const Document& document_;
  const StorageSource& storages_;
  std::unordered_map<std::string, StorageReference> known_storages_;
};

// --- finding the state dict ---

// Where training frameworks put the network's weights, best first: an averaged copy (EMA) before
// the raw weights, since it is what their authors test and publish.
constexpr std::array<std::string_view, 14> kWrappers = {
    "params_ema", "params-ema", "params",    "net_g", "state_dict", "model_state_dict", "model",
    "generator",  "net_g_ema",  "ema_model", "ema",   "weights",    "network",          "net",
};

bool holds_tensors(const Document& document, const Describer& describer, ValueId dict) {
  const auto pairs = document.pairs(dict);
  return std::any_of(pairs.begin(), pairs.end(),
                     [&](const auto& pair) { return describer.is_tensor(pair.second); });
}

struct Found {
  ValueId dict;
  std::string path;
};

// Looks for the state dict in `dict`: within a wrapper before among its own values. Every dict is
// looked at once, so that references in a circle end.
std::optional<Found> search(const Document& document, const Describer& describer, const Found& at,
                            int depth, std::unordered_set<ValueId>& seen) {
  if (depth > limits::kWrapperDepth || !seen.insert(at.dict).second) return std::nullopt;
  const auto look_into = [&](ValueId value, const std::string& key) -> std::optional<Found> {
    if (!is_dict(document, value)) return std::nullopt;
    return search(document, describer, {value, at.path + (at.path.empty() ? "" : "/") + key},
                  depth + 1, seen);
  };
  for (const std::string_view wrapper : kWrappers) {
    const auto value = find_key(document, at.dict, wrapper);
    if (!value) continue;
    if (auto found = look_into(*value, std::string(wrapper))) return found;
  }
  if (holds_tensors(document, describer, at.dict)) return at;
  // A single key of any name.
  const auto pairs = document.pairs(at.dict);
  if (pairs.size() != 1) return std::nullopt;
  return look_into(pairs[0].second, key_text(document, pairs[0].first));
}

std::vector<std::string> keys_of(const Document& document, ValueId dict) {
  std::vector<std::string> keys;
  for (const auto& pair : document.pairs(dict)) keys.push_back(key_text(document, pair.first));
  return keys;
}

// "iter", "epoch" and the like.
std::vector<std::pair<std::string, std::string>> numbers_of(const Document& document,
                                                            ValueId dict) {
  std::vector<std::pair<std::string, std::string>> numbers;
  for (const auto& [key, value] : document.pairs(dict)) {
    if (document.kind(value) != Kind::integer) continue;
    numbers.emplace_back(key_text(document, key), fmt::format("{}", document.integer(value)));
  }
  return numbers;
}

bool has(const std::vector<std::string>& keys, std::string_view key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

std::string first_keys(const std::vector<std::string>& keys) {
  constexpr std::size_t shown = 6;
  std::string text;
  for (std::size_t i = 0; i < std::min(keys.size(), shown); ++i) {
    text += fmt::format("{}'{}'", i == 0 ? "" : ", ", printable(keys[i], 60));
  }
  if (keys.size() > shown) text += fmt::format(" and {} more", keys.size() - shown);
  return text;
}

[[noreturn]] void explain_no_state_dict(const Document& document, const Describer& describer,
                                        ValueId root) {
  if (describer.is_tensor(root)) {
    fail(ErrorKind::unsupported,
         "the file holds a single tensor and not a state dict (a dict of named tensors).\n"
         "Save the weights with torch.save(net.state_dict(), 'weights.pth').");
  }
  if (document.kind(root) == Kind::object && !is_dict(document, root)) {
    const bool module = document.state(root) && is_dict(document, *document.state(root)) &&
                        find_key(document, *document.state(root), "_modules");
    if (module) {
      fail(ErrorKind::unsupported,
           "the file holds a whole network ({}), pickled with its Python class, and not its state "
           "dict.\nSave the weights alone: torch.save(net.state_dict(), 'weights.pth').",
           pickle::describe(document, root));
    }
  }
  if (!is_dict(document, root)) {
    fail(ErrorKind::unsupported,
         "the file holds {} and not a state dict (a dict of named tensors).\n"
         "Save the weights with torch.save(net.state_dict(), 'weights.pth').",
         pickle::describe(document, root));
  }
  const std::vector<std::string> keys = keys_of(document, root);
  if (keys.empty()) {
    fail(ErrorKind::unsupported, "the file holds an empty dict: there are no weights in it.");
  }
  if (has(keys, "param_groups") && has(keys, "state")) {
    fail(ErrorKind::unsupported,
         "the file is the state of an optimizer (it has 'state' and 'param_groups'), not a "
         "network.\nGive the file with the network's weights, often called net_g_….pth.");
  }
  if (has(keys, "optimizers") || has(keys, "optimizer") || has(keys, "schedulers")) {
    fail(ErrorKind::unsupported,
         "the file is the state of a training run (it has {}) without the network's weights.\n"
         "Give the file with the network's weights, often called net_g_….pth.",
         first_keys(keys));
  }
  fail(ErrorKind::unsupported,
       "the file holds a dict without tensors; its keys are {}.\n"
       "Give the file with the network's weights.",
       first_keys(keys));
}

// --- names ---

bool remove_prefix(std::string& name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return false;
  name.erase(0, prefix.size());
  return true;
}

// Takes off what wrappers of a module put before every name (DataParallel, torch.compile), and then
// a container's name where all names share it. Gives what was taken off.
std::string remove_prefixes(std::vector<Entry>& entries) {
  std::string removed;
  for (Entry& entry : entries) {
    std::string prefix;
    for (bool again = true; again;) {
      again = false;
      for (const std::string_view wrapper : {"module.", "_orig_mod."}) {
        if (remove_prefix(entry.name, wrapper)) {
          prefix += wrapper;
          again = true;
        }
      }
    }
    if (removed.empty()) removed = prefix;
  }
  for (const std::string_view prefix : {"net_g.", "netG.", "generator.", "model.", "network."}) {
    const bool shared =
        !entries.empty() && std::all_of(entries.begin(), entries.end(), [&](const Entry& entry) {
          return entry.name.starts_with(prefix);
        });
    if (!shared) continue;
    for (Entry& entry : entries) remove_prefix(entry.name, prefix);
    removed += prefix;
  }
  return removed;
}

// As in Python, the last of several equal keys counts; it keeps the place of the first.
std::vector<Entry> describe_all(const Document& document, Describer& describer, ValueId dict) {
  std::vector<Entry> entries;
  std::unordered_map<std::string, std::size_t> index;
  for (const auto& [key, value] : document.pairs(dict)) {
    std::string name = key_text(document, key);
    const auto [at, is_new] = index.emplace(name, entries.size());
    Entry entry = describer.describe(std::move(name), value);
    if (is_new) {
      entries.push_back(std::move(entry));
    } else {
      entries[at->second] = std::move(entry);
    }
  }
  return entries;
}

void check_unique(const std::vector<Entry>& entries) {
  std::unordered_map<std::string_view, int> seen;
  for (const Entry& entry : entries) {
    if (++seen[entry.name] > 1) {
      fail(ErrorKind::unsupported,
           "the key '{}' stands in the file twice, with and without a prefix such as 'module.'.\n"
           "Save the state dict with one of them.",
           printable(entry.name));
    }
  }
}

}  // namespace

StateDict::Parts find_state_dict(const Document& document, const StorageSource& storages) {
  Describer describer(document, storages);
  const ValueId root = document.root();
  std::unordered_set<ValueId> seen;
  const auto found =
      is_dict(document, root) ? search(document, describer, {root, ""}, 0, seen) : std::nullopt;
  if (!found) explain_no_state_dict(document, describer, root);

  StateDict::Parts parts;
  parts.entries = describe_all(document, describer, found->dict);
  parts.wrapper = found->path;
  parts.root_keys = keys_of(document, root);
  parts.metadata = numbers_of(document, root);
  parts.prefix = remove_prefixes(parts.entries);
  // A counter of averaged models (torch.optim.swa_utils), no part of the network.
  std::erase_if(parts.entries, [](const Entry& entry) { return entry.name == "n_averaged"; });
  check_unique(parts.entries);
  return parts;
}

}  // namespace aether2onnx::state_dict
