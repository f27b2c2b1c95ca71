#include "values.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <type_traits>

#include "base/error.h"
#include "base/text.h"
#include "nearest.h"

namespace aether2onnx::cli {

namespace {

// Returns all names of the floating-point type that is called `name`. Example: for "half", returns
// "fp16", "float16", "half" and "f16". Returns only `name` if `name` is no floating-point type.
std::vector<std::string> names_of_type(const std::string& name) {
  const std::vector<std::vector<std::string>> types = {{"fp16", "float16", "half", "f16"},
                                                       {"fp32", "float32", "float", "full", "f32"},
                                                       {"bf16", "bfloat16"},
                                                       {"fp64", "float64", "double", "f64"}};
  for (const std::vector<std::string>& names : types) {
    if (std::find(names.begin(), names.end(), name) != names.end()) return names;
  }
  return {name};
}

}  // namespace

std::size_t find_choice(const std::string& option, const std::string& text,
                        const std::vector<std::string>& choices) {
  std::string word = lower_case(text);
  std::replace(word.begin(), word.end(), '-', '_');
  for (const std::string& name : names_of_type(word)) {
    const auto found = std::find(choices.begin(), choices.end(), name);
    if (found != choices.end()) return static_cast<std::size_t>(found - choices.begin());
  }
  const std::string expected =
      fmt::format("{} or {}", fmt::join(choices.begin(), choices.end() - 1, ", "), choices.back());
  fail({ErrorKind::usage, "option-choice", option.substr(option.find_first_not_of('-')), expected,
        text},
       "{} {}: must be {}.", option, printable(text), expected);
}

void take_choice(const std::string& option, std::string& text,
                 const std::vector<std::string>& choices) {
  text = choices.at(find_choice(option, text, choices));
}

template <typename Number>
Number number_of(const std::string& option, const std::string& text) {
  constexpr bool is_whole = std::is_integral_v<Number>;
  constexpr const char* expected = is_whole ? "a whole number" : "a number";
  Number number{};
  const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(begin, end, number);
  if (result.ec == std::errc::result_out_of_range && result.ptr == end) {
    fail({ErrorKind::usage, "option-number", option.substr(2), expected, text},
         "{} {}: the number is too large or too small.", option, printable(text));
  }
  if (result.ec != std::errc{} || result.ptr != end) {
    fail({ErrorKind::usage, "option-number", option.substr(2), expected, text},
         "{} {}: expected {}.", option, printable(text), expected);
  }
  return number;
}

template int number_of(const std::string&, const std::string&);
template std::int64_t number_of(const std::string&, const std::string&);
template std::uint64_t number_of(const std::string&, const std::string&);
template double number_of(const std::string&, const std::string&);

}  // namespace aether2onnx::cli
