/// @file
/// The values of options, read from the words that users type.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace aether2onnx::cli {

/// Returns the index of `text` in `choices`. Upper case, and other names of a floating-point type
/// ("half" for "fp16"), count as well. Throws Error(usage) if `text` is none of them.
std::size_t find_choice(const std::string& option, const std::string& text,
                        const std::vector<std::string>& choices);

/// Puts the choice that `text` means in place of `text`. Throws as find_choice().
void take_choice(const std::string& option, std::string& text,
                 const std::vector<std::string>& choices);

/// Reads a whole number or a decimal number: int, std::int64_t, std::uint64_t or double.
template <typename Number>
Number number_of(const std::string& option, const std::string& text);

}  // namespace aether2onnx::cli
