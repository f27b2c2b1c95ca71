#include "base/text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace aether2onnx {

namespace {

struct CodeRange {
  char32_t first;
  char32_t last;
};

// Characters that control a terminal, are invisible, or reorder a line, sorted by code. printable()
// writes these characters as \xNN. The list has these sets of Unicode 16: C0 and C1 controls,
// Bidi_Control (PropList.txt), Default_Ignorable_Code_Point (DerivedCoreProperties.txt), line and
// paragraph separators, and interlinear annotations. The list also has the joiners within emojis,
// because two names that differ only in a joiner look equal.
constexpr std::array kInvisible = {
    CodeRange{0x0000, 0x001f},   CodeRange{0x007f, 0x009f},
    CodeRange{0x00ad, 0x00ad},    // soft hyphen
    CodeRange{0x034f, 0x034f},    // combining grapheme joiner
    CodeRange{0x061c, 0x061c},    // Arabic letter mark
    CodeRange{0x115f, 0x1160},    // Hangul fillers
    CodeRange{0x17b4, 0x17b5},    // Khmer inherent vowels
    CodeRange{0x180b, 0x180f},    // Mongolian variation selectors
    CodeRange{0x200b, 0x200f},    // zero-width spaces, joiners, direction marks
    CodeRange{0x2028, 0x202e},    // separators, direction embeddings and overrides
    CodeRange{0x2060, 0x206f},    // word joiner, invisible operators, direction isolates
    CodeRange{0x3164, 0x3164},    // Hangul filler
    CodeRange{0xfe00, 0xfe0f},    // variation selectors
    CodeRange{0xfeff, 0xfeff},    // byte order mark
    CodeRange{0xffa0, 0xffa0},    // Hangul filler
    CodeRange{0xfff0, 0xfffb},    // reserved; interlinear annotations
    CodeRange{0x1bca0, 0x1bca3},  // shorthand format controls
    CodeRange{0x1d173, 0x1d17a},  // musical format controls
    CodeRange{0xe0000, 0xe0fff},  // tags, more variation selectors
};

}  // namespace

bool is_visible(char32_t code) {
  return std::none_of(kInvisible.begin(), kInvisible.end(), [code](const CodeRange& range) {
    return code >= range.first && code <= range.last;
  });
}

Utf8 first_character(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (text.empty()) return {};
  const unsigned lead = at(0);
  if (lead < 0x80) return {lead, 1};
  const auto continues = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xbf) {
    return i < text.size() && at(i) >= low && at(i) <= high;
  };
  const auto bits = [&](std::size_t i) { return char32_t{at(i) & 0x3fU}; };
  // Source: The Unicode Standard, table 3-7. Overlong forms and surrogates are invalid.
  if (lead >= 0xc2 && lead <= 0xdf && continues(1)) return {(lead & 0x1fU) << 6U | bits(1), 2};
  if (lead >= 0xe0 && lead <= 0xef &&
      continues(1, lead == 0xe0 ? 0xa0 : 0x80, lead == 0xed ? 0x9f : 0xbf) && continues(2)) {
    return {(lead & 0x0fU) << 12U | bits(1) << 6U | bits(2), 3};
  }
  if (lead >= 0xf0 && lead <= 0xf4 &&
      continues(1, lead == 0xf0 ? 0x90 : 0x80, lead == 0xf4 ? 0x8f : 0xbf) && continues(2) &&
      continues(3)) {
    return {(lead & 0x07U) << 18U | bits(1) << 12U | bits(2) << 6U | bits(3), 4};
  }
  return {};
}

namespace {

// Appends the first character of `text` to `result`, or the character's bytes as \xNN if the
// character is not visible. Returns the rest of `text`.
std::string_view append_visible(std::string& result, std::string_view text) {
  const Utf8 character = first_character(text);
  const std::size_t length = std::max<std::size_t>(character.length, 1);
  if (character.length > 0 && is_visible(character.code)) {
    result += text.substr(0, length);
  } else {
    for (const char c : text.substr(0, length)) {
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return text.substr(length);
}

}  // namespace

std::string printable(std::string_view text, std::size_t limit) {
  std::string result;
  while (!text.empty()) {
    if (result.size() >= limit) {
      result += "…";
      break;
    }
    text = append_visible(result, text);
  }
  return result;
}

std::string printable_lines(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    if (text.front() == '\n') {
      result += '\n';
      text.remove_prefix(1);
    } else {
      text = append_visible(result, text);
    }
  }
  return result;
}

std::string human_bytes(std::uint64_t bytes) {
  if (bytes < 1000) return plural(bytes, "byte");
  constexpr std::array units = {"kB", "MB", "GB", "TB", "PB", "EB"};
  double value = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  while (value >= 999.95 && unit + 1 < units.size()) {
    value /= 1000;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, units.at(unit));
}

std::string with_thousands(std::uint64_t number) {
  const std::string digits = fmt::format("{}", number);
  std::string result;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) result += ',';
    result += digits[i];
  }
  return result;
}

std::string shape_text(std::span<const std::int64_t> shape) {
  return fmt::format("({})", join(shape, ", "));
}

std::string join(std::span<const std::int64_t> numbers, std::string_view separator) {
  return fmt::format("{}", fmt::join(numbers, separator));
}

std::string join(std::span<const std::string> parts, std::string_view separator) {
  return fmt::format("{}", fmt::join(parts, separator));
}

std::string plural(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", with_thousands(count), noun, count == 1 ? "" : "s");
}

namespace {

// Removes the text before the first separator, and the separator, from `text`. Returns the removed
// text without the separator.
std::string_view take_part(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

}  // namespace

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) parts.push_back(take_part(text, separator));
  return parts;
}

bool is_one_of(std::string_view words, std::string_view word, char separator) {
  while (!words.empty()) {
    if (take_part(words, separator) == word) return true;
  }
  return false;
}

bool only_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::string first_names(const std::vector<std::string>& names, std::size_t shown) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), shown); ++i) {
    text += fmt::format("{}'{}'", i == 0 ? "" : ", ", printable(names[i], 60));
  }
  if (names.size() > shown) text += fmt::format(" and {} more", names.size() - shown);
  return text;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> edits(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) edits[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) edits[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = edits[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      std::size_t least = std::min({substituted, edits[i - 1][j] + 1, edits[i][j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        least = std::min(least, edits[i - 2][j - 2] + 1);
      }
      edits[i][j] = least;
    }
  }
  return edits[a.size()][b.size()];
}

}  // namespace aether2onnx
