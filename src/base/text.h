/// @file
/// Text for people: printable names, sizes, counts, shapes.
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

/// A character at the start of a UTF-8 text. The length is 0 if the text begins with no well-formed
/// character.
struct Utf8 {
  char32_t code = 0;
  std::size_t length = 0;
};
Utf8 first_character(std::string_view text);

/// Whether the character shows something and does nothing else. Control characters, marks of
/// direction and all characters that Unicode lets programs ignore are not visible.
bool is_visible(char32_t code);

/// Makes a name from a file or a command line safe for a message. Replaces the bytes of invalid
/// UTF-8 and of characters that are not visible by \xNN. Cuts the name after `limit` bytes.
std::string printable(std::string_view text, std::size_t limit = 200);

/// The same for a text of several lines, of any length.
std::string printable_lines(std::string_view text);

/// "13 bytes", "2.8 MB" (powers of 1000).
std::string human_bytes(std::uint64_t bytes);

/// "1,388,963".
std::string with_thousands(std::uint64_t number);

/// "(64, 96, 3, 3)", as PyTorch prints shapes; "()" for a scalar.
std::string shape_text(std::span<const std::int64_t> shape);

/// "4,4,4,4".
std::string join(std::span<const std::int64_t> numbers, std::string_view separator = ",");
std::string join(std::span<const std::string> parts, std::string_view separator);

/// The parts of `text` between separators. Empty for an empty text. A separator at the end adds no
/// part.
std::vector<std::string_view> split(std::string_view text, char separator);

/// Whether one of the parts of `words` is `word`.
bool is_one_of(std::string_view words, std::string_view word, char separator = ' ');

/// The name of an enumerator. `names` has those of all enumerators, in their order. "" if `value`
/// is no enumerator.
template <typename Enum, std::size_t count>
constexpr std::string_view name_in(const std::array<std::string_view, count>& names, Enum value) {
  const auto number = static_cast<std::size_t>(value);
  return number < count ? names[number] : "";
}

/// The number that `text` is, in decimal. Returns nullopt if `text` is anything else, or the number
/// does not fit.
template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number{};
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, number);
  return result.ec == std::errc{} && result.ptr == end ? std::optional(number) : std::nullopt;
}

/// Whether `text` has decimal digits and nothing else.
bool only_digits(std::string_view text);

/// "'a', 'b' and 3 more": the first `shown` names.
std::string first_names(const std::vector<std::string>& names, std::size_t shown = 6);

/// The number of edits that turn one word into the other: a letter more, less, other or swapped.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// "1 key", "3 keys".
std::string plural(std::uint64_t count, std::string_view noun);

}  // namespace aether2onnx
