#include "formats/pickle/pickle.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/limits.h"
#include "base/text.h"

namespace aether2onnx::pickle {

std::span<const ValueId> Document::elements(ValueId value) const {
  const std::uint32_t container = values_[value].container;
  if (container == kNoContainer) return {};
  return containers_[container].elements;
}

std::span<const std::pair<ValueId, ValueId>> Document::pairs(ValueId value) const {
  const std::uint32_t container = values_[value].container;
  if (container == kNoContainer) return {};
  return containers_[container].pairs;
}

bool Document::is_global(ValueId value, std::string_view module, std::string_view name) const {
  return kind(value) == Kind::global && values_[value].text == module &&
         values_[value].second_text == name;
}

std::span<const ValueId> Document::arguments(ValueId value) const {
  const ValueId arguments = values_[value].second;
  if (arguments == kNoValue || kind(arguments) != Kind::tuple) return {};
  return elements(arguments);
}

std::optional<ValueId> Document::state(ValueId value) const {
  if (values_[value].state == kNoValue) return std::nullopt;
  return values_[value].state;
}

bool is_scalar(Kind kind) {
  return kind == Kind::none || kind == Kind::boolean || kind == Kind::integer ||
         kind == Kind::big_integer || kind == Kind::real || kind == Kind::string ||
         kind == Kind::bytes || kind == Kind::global;
}

bool may_be_set_key(const Document& document, std::span<const ValueId> set) {
  return set.size() <= limits::kSetKeyValues &&
         std::all_of(set.begin(), set.end(), [&](ValueId element) {
           const Kind kind = document.kind(element);
           return is_scalar(kind) && kind != Kind::big_integer;
         });
}

namespace {

// The hash table of a dict or set in CPython, without its content.
class HashTable {
 public:
  explicit HashTable(bool in_set) : in_set_(in_set), slots_(8) {}

  std::uint64_t probes() const { return probes_; }

  void insert(std::uint64_t hash) {
    hashes_.push_back(hash);
    const std::size_t used = hashes_.size();
    const std::size_t mask = slots_.size() - 1;
    const bool is_full = in_set_ ? used * 5 >= mask * 3 : used > slots_.size() * 2 / 3;
    if (!is_full) {
      take_slot(hash);
      return;
    }
    const std::size_t of_set = used * (used > 50'000 ? 2 : 4) + 1;
    slots_.assign(std::bit_ceil(in_set_ ? of_set : (used - 1) * 3), false);
    for (const std::uint64_t each : hashes_) take_slot(each);
  }

 private:
  void take_slot(std::uint64_t hash) {
    const std::uint64_t mask = slots_.size() - 1;
    std::uint64_t slot = hash & mask;
    for (std::uint64_t perturb = hash;;) {
      // A set looks at nine slots beside the first one before it jumps.
      const std::uint64_t last = in_set_ && slot + 9 <= mask ? slot + 9 : slot;
      for (std::uint64_t at = slot; at <= last; ++at, ++probes_) {
        if (slots_[at]) continue;
        slots_[at] = true;
        return;
      }
      perturb >>= 5U;
      slot = (slot * 5 + 1 + perturb) & mask;
    }
  }

  bool in_set_;
  std::vector<bool> slots_;
  std::vector<std::uint64_t> hashes_;
  std::uint64_t probes_ = 0;
};

// Returns CPython's hash of an integer. Source: long_hash() in Objects/longobject.c.
std::uint64_t hash_of(std::int64_t number) {
  constexpr std::uint64_t modulus = (std::uint64_t{1} << 61U) - 1;
  const auto bits = static_cast<std::uint64_t>(number);
  const std::uint64_t size = (number < 0 ? 0 - bits : bits) % modulus;
  const std::uint64_t hash = number < 0 ? 0 - size : size;
  return hash == ~std::uint64_t{0} ? hash - 1 : hash;
}

}  // namespace

bool are_slow_keys(const Document& document, std::span<const ValueId> keys, bool in_set) {
  const auto is_integer = [&](ValueId key) { return document.kind(key) == Kind::integer; };
  const auto count = static_cast<std::size_t>(std::count_if(keys.begin(), keys.end(), is_integer));
  if (count <= limits::kChosenKeys) return false;
  HashTable table(in_set);
  for (const ValueId key : keys) {
    if (!is_integer(key)) continue;
    table.insert(hash_of(document.integer(key)));
    if (table.probes() > count * limits::kProbesPerKey) return true;
  }
  return false;
}

bool has_chosen_hash(const Document& document, ValueId key) {
  switch (document.kind(key)) {
    case Kind::big_integer:
    case Kind::real:
    case Kind::tuple:
    case Kind::set:
      return true;
    default:
      return false;
  }
}

std::string describe(const Document& document, ValueId value) {
  switch (document.kind(value)) {
    case Kind::none:
      return "None";
    case Kind::boolean:
      return document.boolean(value) ? "True" : "False";
    case Kind::integer:
      return fmt::format("the number {}", document.integer(value));
    case Kind::big_integer:
      return "a number of over 64 bits";
    case Kind::real:
      return fmt::format("the number {}", document.real(value));
    case Kind::string:
      return fmt::format("the text '{}'", printable(document.text(value), 60));
    case Kind::bytes:
      return "a byte string";
    case Kind::tuple:
      return "a tuple";
    case Kind::list:
      return "a list";
    case Kind::set:
      return "a set";
    case Kind::dict:
      return "a dict";
    case Kind::global:
      return fmt::format("{}.{}", printable(document.module(value), 80),
                         printable(document.name(value), 80));
    case Kind::object: {
      const ValueId callable = document.callable(value);
      if (document.kind(callable) != Kind::global) return "an object";
      return fmt::format("an object of {}.{}", printable(document.module(callable), 80),
                         printable(document.name(callable), 80));
    }
    case Kind::persistent_id:
      return "a reference to outside the pickle";
  }
  return "a value";
}

}  // namespace aether2onnx::pickle
