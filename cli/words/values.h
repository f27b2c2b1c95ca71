/// @file
/// Converts texts that users type as values of options to numbers and choices.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace aether2onnx::cli {

/// Returns the index of `text` in `choices`. Accepts upper case, and other names of a
/// floating-point type ("half" for "fp16"). Throws Error(usage) if `text` is none of the choices.
std::size_t find_choice(const std::string& option, const std::string& text,
                        const std::vector<std::string>& choices);

/// Replaces `text` by the choice that find_choice() finds. Throws Error(usage) if there is none.
void take_choice(const std::string& option, std::string& text,
                 const std::vector<std::string>& choices);

/// Returns the number in `text`: for int, std::int64_t and std::uint64_t a whole number, for double
/// a decimal number. Throws Error(usage) if `text` is no such number.
template <typename Number>
Number number_of(const std::string& option, const std::string& text);

}  // namespace aether2onnx::cli
