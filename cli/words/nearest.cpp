#include "nearest.h"

#include <algorithm>

#include "base/text.h"

namespace aether2onnx::cli {

std::string lower_case(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

std::string nearest(std::string_view word, const std::vector<std::string>& known) {
  // Longer words are not compared: no name is so long, and edit_distance() would take long.
  constexpr std::size_t longest = 60;
  if (word.size() > longest) return "";
  std::string found;
  std::size_t least = std::min<std::size_t>(3, std::max<std::size_t>(1, word.size() / 3)) + 1;
  for (const std::string& candidate : known) {
    const std::size_t distance = edit_distance(candidate, word);
    if (distance >= least) continue;
    least = distance;
    found = candidate;
  }
  return found;
}

}  // namespace aether2onnx::cli
