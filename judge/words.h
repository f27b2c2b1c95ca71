/// @file
/// Tables of names.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace aether2onnx::judge {

/// The words of a text; one space stands between two words.
inline std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

/// The name of an enumerator by its number; "" if the number has no name.
template <typename Enum, std::size_t count>
constexpr std::string_view name_in(const std::array<std::string_view, count>& names, Enum value) {
  const auto number = static_cast<std::size_t>(value);
  return number < count ? names[number] : "";
}

}  // namespace aether2onnx::judge
