// Checks the values in the calls of a pickle: numbers, texts, bytes, dates, and numpy's values.
// These values must have the form that PyTorch, numpy and Python write.

#include <algorithm>
#include <array>
#include <bit>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/checked.h"
#include "base/dtype.h"
#include "base/text.h"
#include "formats/torch/call_grammar.h"
#include "formats/torch/calls.h"

namespace aether2onnx::torch {

using pickle::Document;
using pickle::Kind;
using pickle::ValueId;

namespace {

constexpr std::string_view kElementTypes = "b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16";

// Returns the number that the little-endian `bytes` store. `kind` is numpy's letter for signed
// integers (i), unsigned integers (u), Booleans (b), floating-point numbers (f) or complex numbers
// (c). For a complex number, `bytes` store only the real part or only the imaginary part.
double number_of_bytes(char kind, std::string_view bytes) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bits |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  }
  if (kind == 'f' || kind == 'c') {
    if (bytes.size() == 8) return std::bit_cast<double>(bits);
    if (bytes.size() == 4) return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    return from_half_bits(static_cast<std::uint16_t>(bits));
  }
  if (kind != 'i') return static_cast<double>(bits);
  const auto unused = static_cast<unsigned>(64 - 8 * bytes.size());
  return static_cast<double>(static_cast<std::int64_t>(bits << unused) >> unused);
}

}  // namespace

bool is_short_number(std::string_view text) {
  constexpr std::size_t most = 50;
  constexpr std::size_t most_of_exponent = 3;  // digits
  if (text.starts_with('-')) text.remove_prefix(1);
  if (text == "NaN" || text == "sNaN" || text == "Infinity") return true;
  const std::size_t at = text.find('E');
  if (at != std::string_view::npos) {
    std::string_view exponent = text.substr(at + 1);
    if (exponent.starts_with('+') || exponent.starts_with('-')) exponent.remove_prefix(1);
    if (!only_digits(exponent) || exponent.size() > most_of_exponent) return false;
    text = text.substr(0, at);
  }
  const std::size_t dot = text.find('.');
  const bool has_decimals = dot != std::string_view::npos;
  return text.size() <= most && only_digits(text.substr(0, dot)) &&
         (!has_decimals || only_digits(text.substr(dot + 1)));
}

bool is_fraction(std::string_view text) {
  constexpr std::size_t most = 50;
  if (text.size() > most) return false;
  if (text.starts_with('-')) text.remove_prefix(1);
  const std::size_t slash = text.find('/');
  const std::string_view below = slash == std::string_view::npos ? "1" : text.substr(slash + 1);
  return only_digits(text.substr(0, slash)) && only_digits(below) && below[0] != '0';
}

// Returns whether the value is a timedelta of less than one day, as the offset of a time zone is.
bool Matcher::is_offset(ValueId value) const {
  if (!is_call_of(value, "datetime", "timedelta")) return false;
  const auto parts = document_.arguments(value);
  if (parts.size() != 3 || !is_between(parts[0], -1, 0)) return false;
  const bool is_a_day_back =
      document_.integer(parts[0]) == -1 && is_between(parts[1], 0, 0) && is_between(parts[2], 0, 0);
  return !is_a_day_back;
}

// Returns the length of a bytes object or of a Python 2 text; nullopt for any other value. Pickles
// below protocol 3 make a bytes object by a call of _codecs.encode() or bytes(). If `or_bytearray`
// is true, the value may also be a bytearray that the opcode BYTEARRAY8 makes.
std::optional<std::size_t> Matcher::byte_count(ValueId value, bool or_bytearray) {
  if (is(Kind::bytes, value) || is(Kind::string, value)) {
    const std::string_view content = document_.text(value);
    // Python 3 decodes a Python 2 text to characters. The function that the pickle calls with the
    // text, for example numpy's scalar(), encodes the characters to bytes again. If a character is
    // not ASCII, these bytes may differ from the bytes in the pickle. So only ASCII texts fit.
    const bool fits = is(Kind::bytes, value)
                          ? or_bytearray || !document_.is_bytearray(value)
                          : std::all_of(content.begin(), content.end(), [](char c) {
                              return static_cast<unsigned char>(c) < 0x80;
                            });
    return fits && may_copy(value) ? std::optional(content.size()) : std::nullopt;
  }
  if (is_call_of(value, "builtins", "bytes") || is_call_of(value, "__builtin__", "bytes")) return 0;
  if (!is_call_of(value, "_codecs", "encode") || document_.arguments(value).empty()) {
    return std::nullopt;
  }
  const ValueId text = document_.arguments(value)[0];
  if (!is(Kind::string, text)) return std::nullopt;
  // Each character of the UTF-8 text stands for one byte of the bytes object, so count the
  // characters.
  const std::string_view encoded = document_.text(text);
  if (!may_copy(text)) return std::nullopt;
  return static_cast<std::size_t>(std::count_if(encoded.begin(), encoded.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
  }));
}

// Returns the content of a bytes object of at most 32 bytes; nullopt for any other value.
std::optional<std::string> Matcher::short_bytes(ValueId value) {
  constexpr std::size_t most = 32;
  if (document_.is_bytearray(value)) return std::nullopt;
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

// Returns whether the value is a bytes object of `size` bytes that stores a date (size 4), a time
// (6) or both (10). A year has two bytes, microseconds have three. Month, day, hour, minute and
// second have one byte each. The highest bit of the hour or the month may be the flag `fold`.
// Source: Lib/datetime.py, __reduce__.
bool Matcher::is_moment(ValueId value, std::size_t size) {
  const auto bytes = short_bytes(value);
  if (!bytes || bytes->size() != size) return false;
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>((*bytes)[i]); };
  const auto is_date = [&] {
    const unsigned year = at(0) * 256U + at(1);
    const unsigned month = size == 4 ? at(2) : at(2) & 0x7fU;
    if (year < 1 || year > 9999 || month < 1 || month > 12) return false;
    const bool is_leap_year = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    constexpr std::array<unsigned, 12> days = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const unsigned last = month == 2 && !is_leap_year ? 28 : days.at(month - 1);
    return at(3) >= 1 && at(3) <= last;
  };
  const auto is_time = [&](std::size_t i) {
    return (at(i) & 0x7fU) < 24 && at(i + 1) < 60 && at(i + 2) < 60 && at(i + 3) < 16;
  };
  if (size == 4) return is_date();
  if (size == 6) return is_time(0);
  return is_date() && is_time(4);
}

// Returns whether `dtype` is a numpy.dtype for texts, dates or other elements that are no plain
// numbers.
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

bool Matcher::may_copy(ValueId value) {
  const std::string_view content = document_.text(value);
  if (is(Kind::bytes, value)) return may_visit(content.size() / 16);
  unsigned char highest = 0;
  std::size_t slashes = 0;
  for (const char c : content) {
    highest = std::max(highest, static_cast<unsigned char>(c));
    slashes += c == '/' ? 1 : 0;
  }
  const std::size_t width = highest >= 0xf0 ? 4 : highest >= 0xc4 ? 2 : 1;
  return may_visit(content.size() * width / 16 + slashes);
}

bool Matcher::is_element_type(std::string_view text) { return is_one_of(kElementTypes, text); }

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

// Returns whether `arguments` are (dtype, bytes), and the bytes have the size of one number of this
// type.
bool Matcher::fits_number(std::span<const ValueId> arguments) {
  if (arguments.size() != 2) return false;
  const auto size = element_size(arguments[0]);
  return size && byte_count(arguments[1]) == *size;
}

std::optional<std::vector<double>> Matcher::numpy_number(ValueId object) {
  const auto arguments = document_.arguments(object);
  if (arguments.size() != 2 || !element_size(arguments[0])) return std::nullopt;
  const std::string_view type = document_.text(document_.arguments(arguments[0])[0]);
  auto bytes = short_bytes(arguments[1]);
  if (!bytes) return std::nullopt;
  const auto state = document_.state(arguments[0]);
  const auto order = state ? document_.elements(*state) : std::span<const ValueId>{};
  const std::size_t parts = type.starts_with('c') ? 2 : 1;
  const std::size_t size = bytes->size() / parts;
  std::vector<double> numbers;
  for (std::size_t part = 0; part < parts; ++part) {
    std::string one = bytes->substr(part * size, size);
    if (order.size() > 1 && is_text(order[1], ">")) std::reverse(one.begin(), one.end());
    numbers.push_back(number_of_bytes(type[0], one));
  }
  return numbers;
}

// Returns whether `arguments` fit numpy's function _frombuffer: (bytes, dtype, shape, order).
bool Matcher::fits_array(std::span<const ValueId> arguments) {
  return arguments.size() == 4 && !is(Kind::string, arguments[0]) &&
         are_elements(arguments[2], arguments[1], arguments[0], true) &&
         (is_text(arguments[3], "C") || is_text(arguments[3], "F"));
}

bool Matcher::are_elements(ValueId shape, ValueId dtype, ValueId bytes, bool or_bytearray) {
  const auto size = element_size(dtype);
  const auto count = byte_count(bytes, or_bytearray);
  constexpr std::size_t most_dimensions = 32;  // of numpy 1
  if (!size || !count || !is(Kind::tuple, shape) || !are_counts(shape) ||
      document_.elements(shape).size() > most_dimensions) {
    return false;
  }
  std::uint64_t expected = *size;
  for (const ValueId extent : document_.elements(shape)) {
    const auto product =
        checked_multiply(expected, static_cast<std::uint64_t>(document_.integer(extent)));
    if (!product) return false;
    expected = *product;
  }
  return expected == *count;
}

// Returns whether the value is an array's state: (version, shape, dtype, is_fortran_order, bytes).
bool Matcher::is_array_state(ValueId value) {
  if (!is(Kind::tuple, value)) return false;
  const auto parts = document_.elements(value);
  return parts.size() == 5 && is(Kind::integer, parts[0]) && document_.integer(parts[0]) == 1 &&
         is(Kind::tuple, parts[1]) && fits_any("bool/count", parts[3]) &&
         are_elements(parts[1], parts[2], parts[4]);
}

// Returns whether the value is the state of a numpy.dtype: (version, byte order, no subarray, no
// names, no fields, size, alignment, flags). For types of numbers, numpy writes -1 as the size and
// the alignment (the type determines both), and 0 as the flags.
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
