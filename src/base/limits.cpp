#include "base/limits.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"

namespace aether2onnx::limits {

namespace {

struct Named {
  std::string_view name;
  std::uint64_t Limits::*limit;
  std::uint64_t highest;
};

// The highest values that set_limit() accepts for limits on counts, on bytes, and on the work of a
// scan (scan_work). The pickle reader numbers a pickle's values with 32-bit integers, so a count
// must fit into 32 bits.
constexpr std::uint64_t kMostThings = 2'000'000'000;
constexpr std::uint64_t kMostBytes = std::uint64_t{64} << 30U;
constexpr std::uint64_t kMostWork = 1'000'000'000'000'000;  // about eleven days of 1 ns units

constexpr std::array kNamed = {
    Named{"archive_entries", &Limits::archive_entries, kMostThings},
    Named{"directory_bytes", &Limits::directory_bytes, kMostBytes},
    Named{"pickle_bytes", &Limits::pickle_bytes, kMostBytes},
    Named{"pickle_values", &Limits::pickle_values, kMostThings},
    Named{"pickle_items", &Limits::pickle_items, kMostThings},
    Named{"json_bytes", &Limits::json_bytes, kMostBytes},
    Named{"state_dict_entries", &Limits::state_dict_entries, kMostThings},
    Named{"shards", &Limits::shards, kMostThings},
    Named{"onnx_parts", &Limits::onnx_parts, kMostThings},
    Named{"onnx_text", &Limits::onnx_text, kMostBytes},
    Named{"scan_work", &Limits::scan_work, kMostWork},
};

}  // namespace

std::string how_to_raise(std::string_view name) {
  return fmt::format("If you trust the file, raise the limit: {} {}=N.", option("limit"), name);
}

}  // namespace aether2onnx::limits

namespace aether2onnx {

void set_limit(Limits& limits, std::string_view name, std::uint64_t value) {
  const auto named = std::find_if(limits::kNamed.begin(), limits::kNamed.end(),
                                  [&](const limits::Named& known) { return known.name == name; });
  if (named == limits::kNamed.end()) {
    std::string names;
    for (const limits::Named& known : limits::kNamed) {
      names += fmt::format("{}{}", names.empty() ? "" : ", ", known.name);
    }
    fail({ErrorKind::usage, "option-limit-name", "limit", names, std::string(name)},
         "{} {}: there is no such limit.\nThe limits are {}.", option("limit"), printable(name),
         names);
  }
  if (value == 0 || value > named->highest) {
    fail({ErrorKind::usage, "option-limit-value", "limit", fmt::format("1 to {}", named->highest),
          fmt::format("{}", value)},
         "{} {}={}: the value must be 1 to {}.", option("limit"), name, value, named->highest);
  }
  limits.*(named->limit) = value;
}

std::vector<std::pair<std::string, std::uint64_t>> named_limits(const Limits& limits) {
  std::vector<std::pair<std::string, std::uint64_t>> result;
  for (const limits::Named& named : limits::kNamed) {
    result.emplace_back(named.name, limits.*(named.limit));
  }
  return result;
}

}  // namespace aether2onnx
