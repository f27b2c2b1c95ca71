// Versions of TensorRT as text.

#include <array>
#include <charconv>

#include "base/error.h"
#include "base/text.h"
#include "judge/engine/engine.h"

namespace aether2onnx {

std::string to_string(const TensorRtVersion& version) {
  std::string text = fmt::format("{}", version.major);
  if (version.minor == TensorRtVersion::kNewest) return text;
  text += fmt::format(".{}", version.minor);
  if (version.patch == TensorRtVersion::kNewest) return text;
  return text + fmt::format(".{}", version.patch);
}

namespace {

constexpr TensorRtVersion kOldest = {8, 4, 0};

// The numbers between dots, at most four of at most two digits; empty where `text` isn't such.
std::vector<int> numbers_of(std::string_view text) {
  constexpr std::size_t most = 4;
  std::vector<int> numbers;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (numbers.size() < most) {
    int number = 0;
    const auto result = std::from_chars(at, end, number);
    // The fourth counts builds and has more digits.
    const bool fits = numbers.size() + 1 == most || number < TensorRtVersion::kNewest;
    if (result.ec != std::errc{} || *at == '-' || !fits) return {};
    numbers.push_back(number);
    if (result.ptr == end) return numbers;
    if (*result.ptr != '.') return {};
    at = result.ptr + 1;
  }
  return {};
}

}  // namespace

TensorRtVersion parse_tensorrt_version(std::string_view text) {
  const std::vector<int> numbers = numbers_of(text);
  if (numbers.empty()) {
    fail(ErrorKind::usage, "{}: isn't a version of TensorRT; write it as 8.6, 10 or 10.3.0.",
         printable(text));
  }
  TensorRtVersion version;
  version.major = numbers[0];
  if (numbers.size() > 1) version.minor = numbers[1];
  if (numbers.size() > 2) version.patch = numbers[2];
  if (version < kOldest) {
    fail(ErrorKind::usage, "TensorRT {}: the oldest whose options are known is 8.4.",
         to_string(version));
  }
  return version;
}

std::optional<TensorRtVersion> tensorrt_version_in(std::string_view printed) {
  constexpr std::string_view before = "[TensorRT v";
  constexpr int first_of_ten = 10'000;
  constexpr int most = 1'000'000;
  for (std::size_t at = printed.find(before); at != std::string_view::npos;
       at = printed.find(before, at + 1)) {
    const std::string_view rest = printed.substr(at + before.size());
    int number = 0;
    const auto result = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    const bool closed = result.ptr != rest.data() + rest.size() && *result.ptr == ']';
    if (result.ec != std::errc{} || !closed || number < 1000 || number >= most) continue;
    const int hundreds = number / 100;
    if (number < first_of_ten) return TensorRtVersion{hundreds / 10, hundreds % 10, number % 100};
    return TensorRtVersion{hundreds / 100, hundreds % 100, number % 100};
  }
  return std::nullopt;
}

}  // namespace aether2onnx
