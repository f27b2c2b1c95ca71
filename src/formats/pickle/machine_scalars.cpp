// Reads the numbers and texts of a pickle in the forms that picklers (programs that write pickles)
// write. Most other forms are errors, or irregularities (content that programs may read
// differently).

#include <algorithm>
#include <bit>

#include "base/text.h"
#include "formats/pickle/machine.h"

namespace aether2onnx::pickle {

namespace {

// Returns whether `text` is an integer in the form that Python's repr() writes. Programs read other
// forms as different numbers: C's strtol reads 0100 as 64.
bool is_plain_integer(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (!only_digits(text)) return false;
  return text.size() == 1 ? !(negative && text == "0") : text[0] != '0';
}

// Returns whether `text` is UTF-8. If `surrogates` is true, also accepts surrogates (U+D800 to
// U+DFFF), because Python 3 writes surrogates into pickles (with the error handler surrogatepass).
bool is_utf8(std::string_view text, bool surrogates) {
  while (!text.empty()) {
    std::size_t length = first_character(text).length;
    if (length == 0) {
      const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
      };
      const bool is_surrogate = byte(0) == 0xed && byte(1) >= 0xa0 && byte(1) <= 0xbf &&
                                byte(2) >= 0x80 && byte(2) <= 0xbf;
      if (!surrogates || !is_surrogate) return false;
      length = 3;
    }
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace

void Machine::not_a_number(std::string_view text) const {
  malformed({ErrorKind::malformed, "pickle-number", {}, {}, printable(text, 40)},
            "'{}' is no number", printable(text, 40));
}

std::int64_t Machine::parse_decimal(std::string_view text) {
  const auto number = parse_number<std::int64_t>(text);
  if (!number) not_a_number(text);
  if (!is_plain_integer(text)) {
    irregular({ErrorKind::malformed, "pickle-number", {}, {}, printable(text, 40)},
              "the number '{}' is written in a form that readers read as different numbers",
              printable(text, 40));
  }
  return *number;
}

std::uint64_t Machine::parse_slot(std::string_view text) {
  const std::int64_t slot = parse_decimal(text);
  if (slot < 0) {
    malformed({ErrorKind::malformed, "pickle-memo"}, "a memo entry has a negative number");
  }
  return static_cast<std::uint64_t>(slot);
}

// Executes the opcode INT. The argument is a decimal number. 00 stands for False, and 01 for True.
void Machine::push_int_line(std::string_view text) {
  if (text == "00" || text == "01") {
    push(text == "01" ? true_ : false_);
  } else {
    push_integer(parse_decimal(text));
  }
}

// Executes the opcode LONG. The argument is a decimal number with the letter L at the end.
void Machine::push_long_line(std::string_view text) {
  // The largest number of digits that recent releases of Python accept. A number with more digits
  // is an error, because older releases have no limit, and their time for reading a number grows
  // with the square of the number of digits.
  constexpr std::size_t most_digits = 4300;
  if (!text.ends_with('L')) not_a_number(text);
  text.remove_suffix(1);
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (only_digits(digits) && digits.size() > 18) {
    if (!is_plain_integer(text) || digits.size() > most_digits) not_a_number(text);
    if (const auto number = parse_number<std::int64_t>(text)) {
      push_integer(*number);
    } else {
      push(add(Kind::big_integer));
      value(top()).text = text;
    }
  } else {
    push_integer(parse_decimal(text));
  }
}

void Machine::push_float_line(std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e';
  });
  if (!plain && text != "inf" && text != "-inf" && text != "nan") not_a_number(text);
  const auto number = parse_number<double>(text);
  if (!number) not_a_number(text);
  push_real(*number);
}

// Executes the opcodes LONG1 and LONG4. The argument is an integer of any length, in two's
// complement, little-endian.
void Machine::push_long(std::uint64_t size) {
  auto bytes = take(size, "a number");
  // While there are more than 8 bytes, leaves out a last byte that only repeats the sign, because
  // this byte does not change the number.
  const auto repeats_sign = [&] {
    const auto last = std::to_integer<unsigned>(bytes.back());
    const bool negative = (std::to_integer<unsigned>(bytes[bytes.size() - 2]) & 0x80U) != 0;
    return last == (negative ? 0xffU : 0U);
  };
  while (bytes.size() > 8 && repeats_sign()) bytes = bytes.first(bytes.size() - 1);
  size = bytes.size();
  if (size > 8) {
    push(add(Kind::big_integer));
    value(top()).text = std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return;
  }
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    number |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  }
  const bool negative = size > 0 && (std::to_integer<unsigned>(bytes.back()) & 0x80U) != 0;
  if (negative && size < 8) number |= ~std::uint64_t{0} << (8 * size);
  push_integer(static_cast<std::int64_t>(number));
}

void Machine::push_binary_float() {
  const auto bytes = take(8, "a number");
  std::uint64_t bits = 0;
  for (const std::byte byte : bytes) bits = (bits << 8U) | std::to_integer<std::uint64_t>(byte);
  push_real(std::bit_cast<double>(bits));
}

void Machine::push_integer(std::int64_t number) {
  const ValueId id = add(Kind::integer);
  value(id).number = number;
  push(id);
}

void Machine::push_real(double number) {
  const ValueId id = add(Kind::real);
  value(id).number = std::bit_cast<std::int64_t>(number);
  push(id);
}

void Machine::push_text(Kind kind, std::string_view text) {
  const ValueId id = add(kind);
  value(id).text = text;
  push(id);
}

// Pushes a text on the stack. `old` is true if an opcode of Python 2 makes the text. The bytes of
// an old text may have any encoding: torch.load decodes the bytes as UTF-8, or with the encoding
// that the caller passes. An old text whose bytes are no UTF-8 becomes a value of kind bytes.
void Machine::push_string(std::string_view text, bool old) {
  const bool is_text = is_utf8(text, !old);
  if (!is_text && !old) irregular({ErrorKind::malformed, "pickle-text"}, "a text isn't UTF-8");
  push_text(is_text || !old ? Kind::string : Kind::bytes, text);
}

// Executes the opcode STRING: a Python string literal in quotes. Reports an irregularity (content
// that programs may read differently) if the literal has an escape.
void Machine::push_string_line(std::string_view text) {
  const bool quoted = text.size() >= 2 && (text.front() == '\'' || text.front() == '"') &&
                      text.back() == text.front();
  if (!quoted) {
    malformed({ErrorKind::malformed, "pickle-text"}, "a string isn't in quotes");
  }
  text = text.substr(1, text.size() - 2);
  if (text.find('\\') != std::string_view::npos) {
    irregular({ErrorKind::malformed, "pickle-escape"}, "a string has an escape in it");
  }
  push_string(text, true);
}

// Executes the opcode UNICODE: a line of text in the encoding raw-unicode-escape. Picklers write
// each backslash of the text as \u005c. So each backslash in the line must begin an escape.
void Machine::push_unicode_line(std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return c != '\\' && static_cast<unsigned char>(c) < 0x80;
  });
  if (plain) {
    push_text(Kind::string, text);
    return;
  }
  auto decoded = decode_raw_unicode(text);
  if (!decoded) {
    malformed({ErrorKind::malformed, "pickle-escape"},
              "a backslash in a text begins no valid \\u escape");
  }
  push_text(Kind::string, document_.unescaped_.emplace_back(std::move(*decoded)));
}

}  // namespace aether2onnx::pickle
