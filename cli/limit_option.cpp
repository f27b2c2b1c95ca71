#include "limit_option.h"

#include <fmt/format.h>

#include <charconv>

#include "base/text.h"

namespace aether2onnx::cli {

void LimitOption::add_to(CommandLine& line) {
  line.add_option("--limit", values_,
                  "Change a limit on what the file may cost, for a giant that\n"
                  "you trust: pickle_values=10000000. May be given several\n"
                  "times; a wrong name lists them all")
      .group("Limits")
      .type_name("NAME=N")
      .repeatable();
}

void LimitOption::take(Limits& limits) const {
  for (const std::string& value : values_) {
    const std::size_t equals = value.find('=');
    const std::string digits = equals == std::string::npos ? "" : value.substr(equals + 1);
    std::uint64_t number = 0;
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (digits.empty() || result.ec != std::errc{} || result.ptr != digits.data() + digits.size()) {
      usage_error(fmt::format("--limit {}: must be NAME=N, as in pickle_values=10000000.",
                              printable(value)));
    }
    set_limit(limits, value.substr(0, equals), number);
  }
}

}  // namespace aether2onnx::cli
