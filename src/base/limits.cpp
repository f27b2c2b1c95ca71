#include "base/limits.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"

namespace aether2onnx::limits {

namespace {

thread_local Adjustable current;

struct Named {
  std::string_view name;
  std::uint64_t Adjustable::*limit;
  std::uint64_t highest;
};

// Values of a pickle are numbered with 32 bits.
constexpr std::uint64_t kMostThings = 2'000'000'000;
constexpr std::uint64_t kMostBytes = std::uint64_t{64} << 30U;

constexpr std::array kNamed = {
    Named{"archive_entries", &Adjustable::archive_entries, kMostThings},
    Named{"directory_bytes", &Adjustable::directory_bytes, kMostBytes},
    Named{"pickle_bytes", &Adjustable::pickle_bytes, kMostBytes},
    Named{"pickle_values", &Adjustable::pickle_values, kMostThings},
    Named{"pickle_items", &Adjustable::pickle_items, kMostThings},
    Named{"json_bytes", &Adjustable::json_bytes, kMostBytes},
    Named{"state_dict_entries", &Adjustable::state_dict_entries, kMostThings},
    Named{"shards", &Adjustable::shards, kMostThings},
    Named{"onnx_parts", &Adjustable::onnx_parts, kMostThings},
    Named{"onnx_text", &Adjustable::onnx_text, kMostBytes},
};

void change(std::string_view name, std::uint64_t value) {
  const auto* found =
      std::find_if(kNamed.begin(), kNamed.end(), [&](const Named& n) { return n.name == name; });
  if (found == kNamed.end()) {
    std::string names;
    for (const Named& known : kNamed) {
      names += fmt::format("{}{}", names.empty() ? "" : ", ", known.name);
    }
    fail(ErrorKind::usage, "--limit {}: there is no such limit.\nThere are {}.", printable(name),
         names);
  }
  if (value == 0 || value > found->highest) {
    fail(ErrorKind::usage, "--limit {}={}: must be 1 to {}.", name, value, found->highest);
  }
  current.*(found->limit) = value;
}

}  // namespace

const Adjustable& in_effect() noexcept { return current; }

Changed::Changed(std::span<const std::pair<std::string, std::uint64_t>> changes)
    : before_(current) {
  try {
    for (const auto& [name, value] : changes) change(name, value);
  } catch (...) {
    current = before_;
    throw;
  }
}

Changed::~Changed() { current = before_; }

std::string how_to_raise(std::string_view name) {
  return fmt::format("If the file is that large in earnest: --limit {}=N.", name);
}

}  // namespace aether2onnx::limits
