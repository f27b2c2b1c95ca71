/// @file
/// Words that a user may have meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace aether2onnx::cli {

/// `text` in lower case (ASCII).
std::string lower_case(std::string text);

/// Returns the word of `known` that differs from `word` by a typing error or two: a letter more,
/// less, other or swapped for each three letters, at most three. Returns "" if none is so close.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace aether2onnx::cli
