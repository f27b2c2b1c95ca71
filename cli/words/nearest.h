/// @file
/// Finds the word that a user may have meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace aether2onnx::cli {

/// Returns `text` with ASCII letters in lower case.
std::string lower_case(std::string text);

/// Returns the word of `known` that is most similar to `word`, or "". For each three letters, one
/// letter may be added, missing, changed or swapped, but at most three letters in all.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace aether2onnx::cli
