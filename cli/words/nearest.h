/// @file
/// Finds the known word that is most similar to a mistyped word.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace aether2onnx::cli {

/// Returns `text` with ASCII letters in lower case.
std::string lower_case(std::string text);

/// Returns the word in `known` that is most similar to `word`, or "". For every three letters, one
/// letter may differ (added, missing, changed or swapped), but at most three letters in all.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace aether2onnx::cli
