#include "formats/torch/call_grammar.h"

#include <algorithm>
#include <vector>

#include "base/checked.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "formats/torch/calls.h"
#include "formats/torch/storage_ids.h"

namespace aether2onnx::torch {

using pickle::CallForm;
using pickle::Kind;
using pickle::ValueId;

namespace {

// Returns whether Python can encode the text as Latin-1: all characters are below U+0100. In UTF-8,
// these characters have no byte above 0xc3.
bool is_latin(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0xc4; });
}

}  // namespace

bool Matcher::is_called_as(const Row& row, CallForm form, std::span<const ValueId> arguments) {
  const auto alternatives = split(row.calls, '|');
  return std::any_of(alternatives.begin(), alternatives.end(), [&](std::string_view alternative) {
    const auto words = split(alternative, ' ');
    const bool right_form = words[0] == "R" ? form == CallForm::reduce : form == CallForm::newobj;
    return right_form && fit(std::span(words).subspan(1), arguments);
  });
}

bool Matcher::fit(std::span<const std::string_view> words, std::span<const ValueId> arguments) {
  std::size_t at = 0;
  for (std::string_view word : words) {
    const char last = word.back();
    if (last == '?' || last == '*') word.remove_suffix(1);
    if (word == "one-number") return fits_number(arguments);
    if (word == "array") return fits_array(arguments);
    if (word == "sparse") return fits_sparse(arguments, false);
    if (word == "compressed") return fits_sparse(arguments, true);
    if (last == '*') {
      while (at < arguments.size() && fits_any(word, arguments[at])) ++at;
    } else if (at < arguments.size() && fits_any(word, arguments[at])) {
      ++at;
    } else if (last != '?') {
      return false;
    }
  }
  return at == arguments.size();
}

bool Matcher::fits_any(std::string_view words, ValueId value) {
  const auto parts = split(words, '/');
  return std::any_of(parts.begin(), parts.end(),
                     [&](std::string_view word) { return fits(word, value); });
}

bool Matcher::is_count(ValueId value) const {
  return is(Kind::integer, value) && document_.integer(value) >= 0;
}

bool Matcher::is_between(ValueId value, std::int64_t least, std::int64_t most) const {
  return is(Kind::integer, value) && document_.integer(value) >= least &&
         document_.integer(value) <= most;
}

bool Matcher::is_text(ValueId value, std::string_view text) const {
  return is(Kind::string, value) && document_.text(value) == text;
}

bool Matcher::is_plain(ValueId value) const { return pickle::is_scalar(document_.kind(value)); }

bool Matcher::is_call_of(ValueId value, std::string_view module, std::string_view name) const {
  return is(Kind::object, value) && document_.is_global(document_.callable(value), module, name);
}

bool Matcher::may_visit(std::size_t values) {
  visited_ += values;
  return visited_ <= 4 * document_.value_count() + document_.consumed() / 8 + 1000;
}

// Returns whether the value is a tuple of sizes (integers from 0 on), or torch.Size of a tuple.
bool Matcher::are_counts(ValueId value) {
  if (is_call_of(value, "torch", "Size") && document_.arguments(value).size() == 1) {
    value = document_.arguments(value)[0];
  }
  if (!is(Kind::tuple, value)) return false;
  const auto elements = document_.elements(value);
  return elements.size() <= limits::kTensorRank &&
         std::all_of(elements.begin(), elements.end(), [&](ValueId e) { return is_count(e); });
}

// Returns whether the product of the sizes fits 64 bits. PyTorch multiplies from the first size on,
// so the product of the first sizes must fit 64 bits even if a later size is 0.
bool Matcher::is_countable(ValueId value) const {
  if (is(Kind::object, value)) value = document_.arguments(value)[0];
  std::int64_t product = 1;
  for (const ValueId size : document_.elements(value)) {
    const auto next = checked_multiply(product, document_.integer(size));
    if (!next) return false;
    product = *next;
  }
  return true;
}

// Returns whether the value is a dict that has no other keys than "neg" and "conj". These flags
// state that a tensor's storage has the elements negated or conjugated.
bool Matcher::is_metadata(ValueId value) const {
  if (!is(Kind::dict, value)) return false;
  const auto items = document_.pairs(value);
  return std::all_of(items.begin(), items.end(), [&](const auto& item) {
    return (is_text(item.first, "neg") || is_text(item.first, "conj")) &&
           is(Kind::boolean, item.second);
  });
}

// Returns whether the value is a list of pairs (lists or tuples) with distinct texts as keys.
bool Matcher::are_items(ValueId value) {
  if (!is(Kind::list, value)) return false;
  const auto items = document_.elements(value);
  if (!may_visit(items.size())) return false;
  std::vector<ValueId> keys;
  for (const ValueId item : items) {
    if (!is(Kind::list, item) && !is(Kind::tuple, item)) return false;
    const auto pair = document_.elements(item);
    if (pair.size() != 2 || !is(Kind::string, pair[0])) return false;
    keys.push_back(pair[0]);
  }
  const auto differ = [](auto& all) {
    std::sort(all.begin(), all.end());
    return std::adjacent_find(all.begin(), all.end()) == all.end();
  };
  // First, look for a ValueId that occurs twice in `keys`. A pickle can use one long text as many
  // keys, and sorting these keys as texts would be slow. If all ids differ, each text has its own
  // bytes in the pickle, so all texts together are not longer than the pickle.
  if (!differ(keys)) return false;
  std::vector<std::string_view> texts;
  for (const ValueId key : keys) texts.push_back(document_.text(key));
  return differ(texts);
}

// Returns whether the value is a list or tuple of possible elements of a set: numbers, texts and
// other scalars, calls for which may_be_key() returns true, and tuples of these scalars and calls.
bool Matcher::are_keys(ValueId value) {
  if (!is(Kind::list, value) && !is(Kind::tuple, value)) return false;
  const auto keys = document_.elements(value);
  return may_visit(keys.size()) && !pickle::are_slow_keys(document_, keys, true) &&
         std::all_of(keys.begin(), keys.end(), [&](ValueId key) {
           const bool counts = is(Kind::object, key) || pickle::has_chosen_hash(document_, key);
           if (counts && ++chosen_keys_ > limits::kChosenKeys) return false;
           if (!is(Kind::tuple, key)) return is_key_part(key);
           const auto parts = document_.elements(key);
           return parts.size() <= limits::kTensorRank && may_visit(parts.size()) &&
                  std::all_of(parts.begin(), parts.end(),
                              [&](ValueId part) { return is_key_part(part); });
         });
}

bool Matcher::is_key_part(ValueId value) {
  if (is(Kind::object, value)) return may_be_key(document_, value);
  return is_plain(value) && !is(Kind::big_integer, value);
}

// Returns whether `arguments` fit _rebuild_sparse_tensor: a layout, and the tuple (indices, values,
// size). From PyTorch 2.1 on, the flag is_coalesced may follow the size. For a compressed layout,
// the tuple is (compressed indices, plain indices, values, size). If `only_compressed`, the layout
// must be compressed: _rebuild_sparse_csr_tensor, which PyTorch had before 2.0, makes only such
// tensors.
bool Matcher::fits_sparse(std::span<const ValueId> arguments, bool only_compressed) {
  if (arguments.size() != 2 || !is_call_of(arguments[0], "torch.serialization", "_get_layout") ||
      !is(Kind::tuple, arguments[1])) {
    return false;
  }
  const auto layout = document_.arguments(arguments[0]);
  constexpr std::string_view of_compressed =
      "torch.sparse_csr torch.sparse_csc torch.sparse_bsr torch.sparse_bsc";
  if (layout.size() != 1 || !is(Kind::string, layout[0])) return false;
  const bool compressed = is_one_of(of_compressed, document_.text(layout[0]));
  if (!compressed && (only_compressed || document_.text(layout[0]) != "torch.sparse_coo")) {
    return false;
  }
  auto parts = document_.elements(arguments[1]);
  if (!compressed && !parts.empty() && is(Kind::boolean, parts.back())) {
    parts = parts.first(parts.size() - 1);
  }
  return parts.size() == (compressed ? 4 : 3) && are_counts(parts.back()) &&
         std::all_of(parts.begin(), parts.end() - 1,
                     [&](ValueId part) { return is_rebuild(part); });
}

// Returns whether the value is the state of a uuid.UUID: a dict that has the 128 bits of the UUID
// as "int". The dict may also have "is_safe", which is 0 or -1, because uuid1() sets "is_safe".
// Source: Lib/uuid.py, __getstate__.
bool Matcher::is_uuid_state(ValueId value) {
  constexpr std::size_t digits = 39;
  const auto fields = document_.pairs(value);
  if (!is(Kind::dict, value) || fields.empty() || fields.size() > 2) return false;
  const auto fits = [&](const auto& field) {
    if (is_text(field.first, "is_safe")) return is_between(field.second, -1, 0);
    const bool is_long =
        is(Kind::big_integer, field.second) && document_.text(field.second).size() <= digits;
    return is_text(field.first, "int") && (is_long || is_count(field.second));
  };
  return is_text(fields[0].first, "int") && std::all_of(fields.begin(), fields.end(), fits);
}

bool Matcher::is_quantizer(ValueId value) {
  if (!is(Kind::tuple, value)) return false;
  const auto parts = document_.elements(value);
  if (parts.size() < 3 || parts.size() > 4 || !is(Kind::global, parts[0]) ||
      document_.module(parts[0]) != "torch" || !document_.name(parts[0]).starts_with("per_")) {
    return false;
  }
  return std::all_of(parts.begin() + 1, parts.end(), [&](ValueId part) {
    return is(Kind::integer, part) || is(Kind::real, part) || is_rebuild(part);
  });
}

bool Matcher::is_rebuild(ValueId value) const {
  if (!is(Kind::object, value) || !is(Kind::global, document_.callable(value))) return false;
  const ValueId name = document_.callable(value);
  const Row* row = find_row(document_.module(name), document_.name(name));
  return row != nullptr && row->role == Role::rebuild;
}

bool Matcher::fits(std::string_view word, ValueId value) {
  const Kind kind = document_.kind(value);
  const auto is_global = [&](std::string_view module, std::string_view names) {
    return kind == Kind::global && document_.module(value) == module &&
           is_one_of(names, document_.name(value));
  };
  if (word == "none") return kind == Kind::none;
  if (word == "bool") return kind == Kind::boolean;
  if (word == "int") return kind == Kind::integer;
  if (word == "step") return kind == Kind::integer && document_.integer(value) != 0;
  if (word == "count") return is_count(value);
  if (word == "days") return is_between(value, -999'999'999, 999'999'999);
  if (word == "seconds") return is_between(value, 0, 86'399);
  if (word == "microseconds") return is_between(value, 0, 999'999);
  if (word == "offset") return is_offset(value);
  if (word == "device") {
    // torch.device accepts these kinds of devices. Source: c10/core/Device.cpp, parse_type.
    constexpr std::string_view types =
        "cpu cuda ipu xpu mkldnn opengl opencl ideep hip ve fpga ort maia xla lazy vulkan mps meta "
        "hpu mtia privateuseone npu";
    return kind == Kind::string && is_one_of(types, document_.text(value));
  }
  if (word == "counts") return are_counts(value);
  if (word == "real") return kind == Kind::real;
  if (word == "text") return kind == Kind::string && may_copy(value);
  if (word.starts_with("text=")) return is_text(value, word.substr(5));
  if (word == "latin") {
    return kind == Kind::string && may_copy(value) && is_latin(document_.text(value));
  }
  if (word == "only-bytes") return kind != Kind::string && byte_count(value).has_value();
  if (word == "type-code") return short_bytes(value) == "b";
  if (word == "bytes") return byte_count(value).has_value();
  if (word == "date") return is_moment(value, 4);
  if (word == "time") return is_moment(value, 6);
  if (word == "date-time") return is_moment(value, 10);
  if (word == "list") return kind == Kind::list && may_visit(document_.elements(value).size());
  if (word == "dict") return kind == Kind::dict && may_visit(document_.pairs(value).size());
  if (word == "counted") {
    const auto items = document_.pairs(value);
    return kind == Kind::dict && may_visit(items.size()) &&
           std::all_of(items.begin(), items.end(), [&](const auto& item) {
             return is(Kind::integer, item.second) || is(Kind::real, item.second);
           });
  }
  if (word == "uuid-state") return is_uuid_state(value);
  if (word == "device-number") return is_between(value, 0, 127);
  if (word == "attribute-dict") return kind != Kind::none && are_attributes(value);
  if (word == "tuple") return kind == Kind::tuple;
  if (word == "empty") return kind == Kind::tuple && document_.elements(value).empty();
  if (word == "items") return are_items(value);
  if (word == "keys") return are_keys(value);
  if (word == "fields") return are_fields_of_dict(value);
  if (word == "layer-fields") return are_fields_of_layer(value);
  if (word == "attributes") return are_attributes(value);
  if (word == "sizes") return are_counts(value) && is_countable(value);
  if (word == "metadata") return is_metadata(value);
  if (word == "storage") return kind == Kind::persistent_id;
  if (word == "tensor") return is_rebuild(value);
  if (word == "hooks") return is_empty_ordered_dict(document_, value);
  if (word == "quantizer") return is_quantizer(value);
  if (word == "layout-name") {
    constexpr std::string_view names =
        "torch.strided torch.sparse_coo torch.sparse_csr torch.sparse_csc torch.sparse_bsr "
        "torch.sparse_bsc torch._mkldnn torch.jagged";
    return kind == Kind::string && is_one_of(names, document_.text(value));
  }
  if (word == "dtype-state") return is_dtype_state(value);
  if (word == "array-state") return is_array_state(value);
  if (word == "timezone") return is_call_of(value, "datetime", word);
  if (word == "one-zero") {
    const auto elements = document_.elements(value);
    return kind == Kind::tuple && elements.size() == 1 && is(Kind::integer, elements[0]) &&
           document_.integer(elements[0]) == 0;
  }
  if (word == "element-type") {
    return kind == Kind::string && is_element_type(document_.text(value));
  }
  if (word == "dtype") {
    return kind == Kind::global && document_.module(value) == "torch" &&
           find_row("torch", document_.name(value)) == find_row("torch", "float32");
  }
  if (word == "function") {
    if (kind != Kind::global) return false;
    const Row* row = find_row(document_.module(value), document_.name(value));
    return row != nullptr && row->role == Role::rebuild;
  }
  if (word == "type") {
    return is_global("torch", "Tensor") || is_global("torch.nn.parameter", "Parameter Buffer");
  }
  if (word == "version") return is_global("torch.torch_version", "TorchVersion");
  if (word == "text-class") {
    return is_global("builtins", "str") || is_global("__builtin__", "str unicode");
  }
  if (word == "short-number") {
    return kind == Kind::string && is_short_number(document_.text(value));
  }
  if (word == "fraction") return kind == Kind::string && is_fraction(document_.text(value));
  if (word == "class") {
    // In PyTorch's format from before 1.6, a persistent id (a reference to data outside the pickle)
    // names a storage or a class. The id of a class contains the class's source text. Each id that
    // does not name a storage is accepted as a class.
    if (kind == Kind::persistent_id) return !storage_id(document_, value);
    if (kind != Kind::global) return false;
    const Row* row = find_row(document_.module(value), document_.name(value));
    // The value is the class that the pickle passes to copyreg._reconstructor(). _reconstructor()
    // calls object.__new__(), which refuses the classes of dicts and SimpleNamespace. So return
    // false for the refused classes.
    return row == nullptr || row->state == "layer-fields" || row->state == "uuid-state" ||
           row->names == "Namespace";
  }
  if (word == "factory") {
    return kind == Kind::none ||
           is_global("collections", "OrderedDict Counter defaultdict deque") ||
           is_global("builtins", "int float str bool list tuple dict set frozenset") ||
           is_global("__builtin__",
                     "int long float str unicode bool list tuple dict set frozenset");
  }
  if (word == "object")
    return is_global("builtins", "object") || is_global("__builtin__", "object");
  if (word == "ndarray") return is_global("numpy", "ndarray");
  defect("the table of known calls uses an undefined word");
}

}  // namespace aether2onnx::torch
