/// @file
/// Makes text for people: printable names, sizes, counts, shapes. Also splits and compares text.
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace aether2onnx {

/// The first character of a UTF-8 text, and its length in bytes. The length is 0 if the text does
/// not begin with a well-formed character.
struct Utf8 {
  char32_t code = 0;
  std::size_t length = 0;
};
Utf8 first_character(std::string_view text);

/// Whether a terminal shows the character and does nothing else. Control characters, direction
/// marks and all characters with Unicode's property Default_Ignorable_Code_Point are not visible.
bool is_visible(char32_t code);

/// Returns `text`, a name from a file or a command line, in a form that is safe in a message. Bytes
/// of invalid UTF-8 and of invisible characters become \xNN. The name is cut after `limit` bytes.
std::string printable(std::string_view text, std::size_t limit = 200);

/// Returns `text` as printable() does, but keeps the line breaks and does not cut the text.
std::string printable_lines(std::string_view text);

/// Returns the size as "13 bytes" or "2.8 MB" (powers of 1000).
std::string human_bytes(std::uint64_t bytes);

/// Returns the number as "1,388,963".
std::string with_thousands(std::uint64_t number);

/// Returns the shape as PyTorch prints it, "(64, 96, 3, 3)"; "()" for a scalar.
std::string shape_text(std::span<const std::int64_t> shape);

/// Returns the numbers or parts as one text with the separator in between, "4,4,4,4".
std::string join(std::span<const std::int64_t> numbers, std::string_view separator = ",");
std::string join(std::span<const std::string> parts, std::string_view separator);

/// Returns the parts of `text` between separators, or an empty list for an empty text. A separator
/// at the end adds no part.
std::vector<std::string_view> split(std::string_view text, char separator);

/// Whether `word` is one of the parts of `words` between the separators.
bool is_one_of(std::string_view words, std::string_view word, char separator = ' ');

/// Returns the name of the enumerator `value`, or "" if Enum has no enumerator with this value.
/// `names` has the names of all enumerators, in their order.
template <typename Enum, std::size_t count>
constexpr std::string_view name_in(const std::array<std::string_view, count>& names, Enum value) {
  const auto number = static_cast<std::size_t>(value);
  return number < count ? names[number] : "";
}

/// Reads `text` as a decimal number. Returns nullopt if `text` is anything else, or if the number
/// does not fit into Number.
template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number{};
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, number);
  return result.ec == std::errc{} && result.ptr == end ? std::optional(number) : std::nullopt;
}

/// Whether `text` consists of one or more decimal digits.
bool only_digits(std::string_view text);

/// Returns a text with the first `shown` names and the count of the rest, "'a', 'b' and 3 more".
std::string first_names(const std::vector<std::string>& names, std::size_t shown = 6);

/// Returns the number of edits that turn `a` into `b`. An edit inserts, deletes or replaces a
/// letter, or swaps two neighbouring letters.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// Returns the count with the noun, "1 key" or "3 keys".
std::string plural(std::uint64_t count, std::string_view noun);

}  // namespace aether2onnx
