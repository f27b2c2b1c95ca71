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
using pickle::Document;
using pickle::Kind;
using pickle::ValueId;

namespace {

constexpr std::string_view kElementTypes = "b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16";

// Returns whether `text` is a short number as Python's Decimal and Fraction write it: "1.50",
// "1/3", "NaN". Python could take much time to read a long number.
bool is_short_number(std::string_view text) {
  constexpr std::size_t most = 50;
  constexpr std::size_t most_of_exponent = 4;  // characters, including the sign
  const std::size_t exponent = text.find('E');
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || c == '.' || c == 'E' || c == '+' || c == '-' || c == '/';
  });
  const bool short_exponent =
      exponent == std::string_view::npos || text.size() - exponent - 1 <= most_of_exponent;
  return (plain && short_exponent && text.size() <= most) || text == "NaN" || text == "sNaN" ||
         text == "Infinity" || text == "-Infinity";
}

// Returns whether all characters of the UTF-8 text are below U+0100, as in Latin-1.
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

// Returns whether the value is a timedelta of less than a day, as the offset of a time zone is.
bool Matcher::is_offset(ValueId value) const {
  if (!is_call_of(value, "datetime", "timedelta")) return false;
  const auto parts = document_.arguments(value);
  if (parts.size() != 3 || !is_between(parts[0], -1, 0)) return false;
  const bool is_a_day_back =
      document_.integer(parts[0]) == -1 && is_between(parts[1], 0, 0) && is_between(parts[2], 0, 0);
  return !is_a_day_back;
}

bool Matcher::is_text(ValueId value, std::string_view text) const {
  return is(Kind::string, value) && document_.text(value) == text;
}

bool Matcher::is_plain(ValueId value) const {
  const Kind kind = document_.kind(value);
  return kind == Kind::none || kind == Kind::boolean || kind == Kind::integer ||
         kind == Kind::big_integer || kind == Kind::real || kind == Kind::string ||
         kind == Kind::bytes || kind == Kind::global;
}

bool Matcher::is_call_of(ValueId value, std::string_view module, std::string_view name) const {
  return is(Kind::object, value) && document_.is_global(document_.callable(value), module, name);
}

bool Matcher::may_visit(std::size_t values) {
  visited_ += values;
  return visited_ <= 4 * document_.value_count() + 1000;
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

// Returns whether the product of the sizes fits 64 bits. Multiplies in the same order as PyTorch.
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
  // First look for two uses of one value. Different values have texts in different parts of the
  // pickle, so the texts that are sorted below are together not longer than the pickle.
  if (!differ(keys)) return false;
  std::vector<std::string_view> texts;
  for (const ValueId key : keys) texts.push_back(document_.text(key));
  return differ(texts);
}

// Returns whether the value is a list or tuple of values that a set may have: plain values, tuples
// of plain values, and calls for which may_be_key() returns true.
bool Matcher::are_keys(ValueId value) {
  if (!is(Kind::list, value) && !is(Kind::tuple, value)) return false;
  const auto keys = document_.elements(value);
  return may_visit(keys.size()) && std::all_of(keys.begin(), keys.end(), [&](ValueId key) {
           if (!is(Kind::tuple, key)) return is_key_part(key);
           if (++tuple_keys_ > limits::kTupleKeys) return false;
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

// Returns whether the value is the content of a sparse tensor: (indices, values, size) or
// (compressed, plain, values, size). From PyTorch 2.1 on, a flag for coalesced indices may follow.
bool Matcher::is_sparse_content(ValueId value) {
  if (!is(Kind::tuple, value)) return false;
  auto parts = document_.elements(value);
  if (!parts.empty() && is(Kind::boolean, parts.back())) parts = parts.first(parts.size() - 1);
  if (parts.size() != 3 && parts.size() != 4) return false;
  return are_counts(parts.back()) && std::all_of(parts.begin(), parts.end() - 1,
                                                 [&](ValueId part) { return is_rebuild(part); });
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

// Returns the length of a bytes object in any protocol, or of a Python 2 text; else nullopt.
std::optional<std::size_t> Matcher::byte_count(ValueId value) {
  if (is(Kind::bytes, value) || is(Kind::string, value)) return document_.text(value).size();
  if (is_call_of(value, "builtins", "bytes") || is_call_of(value, "__builtin__", "bytes")) return 0;
  if (!is_call_of(value, "_codecs", "encode") || document_.arguments(value).empty()) {
    return std::nullopt;
  }
  const ValueId text = document_.arguments(value)[0];
  if (!is(Kind::string, text)) return std::nullopt;
  // Each character of the UTF-8 text stands for one byte of the object, so count the characters.
  const std::string_view encoded = document_.text(text);
  if (!may_visit(encoded.size() / 64)) return std::nullopt;
  return static_cast<std::size_t>(std::count_if(encoded.begin(), encoded.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
  }));
}

// Returns the content of a bytes object of at most 32 bytes; nullopt for a longer or another value.
std::optional<std::string> Matcher::short_bytes(ValueId value) {
  constexpr std::size_t most = 32;
  if (is(Kind::bytes, value) || is(Kind::string, value)) {
    const std::string_view text = document_.text(value);
    return text.size() > most ? std::nullopt : std::optional(std::string(text));
  }
  const auto count = byte_count(value);
  if (!count || *count > most || document_.arguments(value).empty()) return std::nullopt;
  std::string bytes;
  const std::string_view text = document_.text(document_.arguments(value)[0]);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      bytes += text[i];
    } else if (lead < 0xc4 && i + 1 < text.size()) {
      const auto low = static_cast<unsigned char>(text[++i]);
      bytes += static_cast<char>((lead & 0x03U) << 6U | (low & 0x3fU));
    } else {
      return std::nullopt;
    }
  }
  return bytes;
}

// Returns whether the value has the bytes of a date (4), a time (6) or both (10): two bytes of the
// year, month, day, hour, minute, second, three bytes of microseconds. The first byte of the time,
// or the month, may have a flag. Source: Lib/datetime.py, __reduce__.
bool Matcher::is_moment(ValueId value, std::size_t size) {
  const auto bytes = short_bytes(value);
  if (!bytes || bytes->size() != size) return false;
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>((*bytes)[i]); };
  const auto is_date = [&] {
    const unsigned year = at(0) * 256U + at(1);
    const unsigned month = at(2) & 0x7fU;
    return year >= 1 && year <= 9999 && month >= 1 && month <= 12 && at(3) >= 1 && at(3) <= 31;
  };
  const auto is_time = [&](std::size_t i) {
    return (at(i) & 0x7fU) < 24 && at(i + 1) < 60 && at(i + 2) < 60 && at(i + 3) < 16;
  };
  if (size == 4) return is_date();
  if (size == 6) return is_time(0);
  return is_date() && is_time(4);
}

// Returns whether `dtype` is a numpy.dtype whose elements are no plain numbers, but texts, dates, …
bool Matcher::is_other_dtype(ValueId dtype) const {
  if (!is_call_of(dtype, "numpy", "dtype") || document_.arguments(dtype).empty()) return false;
  const ValueId name = document_.arguments(dtype)[0];
  if (!is(Kind::string, name)) return false;
  const std::string_view text = document_.text(name);
  constexpr std::string_view kinds = "SUVMmOfc";
  return text.size() > 1 && kinds.find(text[0]) != std::string_view::npos &&
         std::all_of(text.begin() + 1, text.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
         !is_one_of(kElementTypes, text);
}

bool Matcher::may_be_honest(ValueId object) {
  const auto arguments = document_.arguments(object);
  const auto state = document_.state(object);
  const std::string_view name = document_.name(document_.callable(object));
  if (name == "dtype") return is_other_dtype(object);
  if (name == "scalar") {
    return arguments.size() == 2 && is_other_dtype(arguments[0]) && byte_count(arguments[1]);
  }
  if (name == "_frombuffer") return arguments.size() == 4 && is_other_dtype(arguments[1]);
  if (name != "_reconstruct" || !state || !is(Kind::tuple, *state)) return false;
  const auto parts = document_.elements(*state);
  return parts.size() == 5 && is_other_dtype(parts[2]) &&
         (is(Kind::list, parts[4]) || byte_count(parts[4]));
}

// Returns the size of an element in bytes; nullopt if `dtype` is no numpy.dtype of plain numbers.
std::optional<std::uint64_t> Matcher::element_size(ValueId dtype) const {
  if (!is_call_of(dtype, "numpy", "dtype") || document_.arguments(dtype).empty()) {
    return std::nullopt;
  }
  const ValueId name = document_.arguments(dtype)[0];
  if (!is(Kind::string, name)) return std::nullopt;
  const std::string_view text = document_.text(name);
  if (!is_one_of(kElementTypes, text)) return std::nullopt;
  return text == "c16" ? 16 : static_cast<std::uint64_t>(text[1] - '0');
}

// Returns whether the arguments are (dtype, bytes) and the bytes are one number of this type.
bool Matcher::fits_number(std::span<const ValueId> arguments) {
  if (arguments.size() != 2) return false;
  const auto size = element_size(arguments[0]);
  return size && byte_count(arguments[1]) == *size;
}

// Returns whether the arguments are (bytes, dtype, shape, order) of a numpy array.
bool Matcher::fits_array(std::span<const ValueId> arguments) {
  return arguments.size() == 4 && are_elements(arguments[2], arguments[1], arguments[0]) &&
         (is_text(arguments[3], "C") || is_text(arguments[3], "F"));
}

bool Matcher::are_elements(ValueId shape, ValueId dtype, ValueId bytes) {
  const auto size = element_size(dtype);
  const auto count = byte_count(bytes);
  if (!size || !count || !are_counts(shape)) return false;
  std::uint64_t expected = *size;
  for (const ValueId extent : document_.elements(shape)) {
    const auto product =
        checked_multiply(expected, static_cast<std::uint64_t>(document_.integer(extent)));
    if (!product) return false;
    expected = *product;
  }
  return expected == *count;
}

// Returns whether the value is (version, shape, dtype, is in Fortran's order, bytes) of an array.
bool Matcher::is_array_state(ValueId value) {
  if (!is(Kind::tuple, value)) return false;
  const auto parts = document_.elements(value);
  return parts.size() == 5 && is(Kind::integer, parts[0]) && document_.integer(parts[0]) == 1 &&
         is(Kind::tuple, parts[1]) && fits_any("bool/count", parts[3]) &&
         are_elements(parts[1], parts[2], parts[4]);
}

// Returns whether the value is the state of a numpy.dtype: (version, byte order, no subarray, no
// names, no fields, size, alignment, flags). For numbers, size and alignment are those of the type
// (-1 in the file), and flags are 0.
bool Matcher::is_dtype_state(ValueId value) const {
  if (!is(Kind::tuple, value)) return false;
  const auto parts = document_.elements(value);
  const auto is_number = [&](ValueId part, std::int64_t number) {
    return is(Kind::integer, part) && document_.integer(part) == number;
  };
  return parts.size() == 8 && is_number(parts[0], 3) &&
         (is_text(parts[1], "<") || is_text(parts[1], "|") || is_text(parts[1], ">") ||
          is_text(parts[1], "=")) &&
         is(Kind::none, parts[2]) && is(Kind::none, parts[3]) && is(Kind::none, parts[4]) &&
         is_number(parts[5], -1) && is_number(parts[6], -1) && is_number(parts[7], 0);
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
    // The kinds of devices. Source: c10/core/Device.cpp, parse_type.
    constexpr std::string_view types =
        "cpu cuda ipu xpu mkldnn opengl opencl ideep hip ve fpga ort maia xla lazy vulkan mps meta "
        "hpu mtia privateuseone npu";
    return kind == Kind::string && is_one_of(types, document_.text(value));
  }
  if (word == "counts") return are_counts(value);
  if (word == "real") return kind == Kind::real;
  if (word == "text") return kind == Kind::string;
  if (word.starts_with("text=")) return is_text(value, word.substr(5));
  if (word == "latin") return kind == Kind::string && is_latin(document_.text(value));
  if (word == "bytes") return byte_count(value).has_value();
  if (word == "date") return is_moment(value, 4);
  if (word == "time") return is_moment(value, 6);
  if (word == "date-time") return is_moment(value, 10);
  if (word.starts_with("bytes=")) {
    const auto count = byte_count(value);
    return count && fmt::format("{}", *count) == word.substr(6);
  }
  if (word == "list") return kind == Kind::list;
  if (word == "dict") return kind == Kind::dict;
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
  if (word == "sparse") return is_sparse_content(value);
  if (word == "layout-name") {
    constexpr std::string_view names =
        "torch.strided torch.sparse_coo torch.sparse_csr torch.sparse_csc torch.sparse_bsr "
        "torch.sparse_bsc torch._mkldnn torch.jagged";
    return kind == Kind::string && is_one_of(names, document_.text(value));
  }
  if (word == "layout") return is_call_of(value, "torch.serialization", "_get_layout");
  if (word == "dtype-state") return is_dtype_state(value);
  if (word == "array-state") return is_array_state(value);
  if (word == "timezone") return is_call_of(value, "datetime", word);
  if (word == "one-zero") {
    const auto elements = document_.elements(value);
    return kind == Kind::tuple && elements.size() == 1 && is(Kind::integer, elements[0]) &&
           document_.integer(elements[0]) == 0;
  }
  if (word == "element-type") {
    return kind == Kind::string && is_one_of(kElementTypes, document_.text(value));
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
  if (word == "class") {
    // In the stream from before 1.6, a class may be a reference that has the class's source text.
    if (kind == Kind::persistent_id) return !storage_id(document_, value);
    if (kind != Kind::global) return false;
    const Row* row = find_row(document_.module(value), document_.name(value));
    return row == nullptr || row->state == "fields" || row->state == "layer-fields" ||
           row->state == "dict";
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
  defect("a word in the table of calls without a meaning");
}

bool has_plain_numbers(const Document& document, ValueId dtype) {
  if (document.kind(dtype) != Kind::object ||
      !document.is_global(document.callable(dtype), "numpy", "dtype")) {
    return false;
  }
  const auto arguments = document.arguments(dtype);
  return !arguments.empty() && document.kind(arguments[0]) == Kind::string &&
         is_one_of(kElementTypes, document.text(arguments[0]));
}

}  // namespace aether2onnx::torch
