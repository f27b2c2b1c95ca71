// Checks the keys of dicts and the elements of sets. Finds keys that Python cannot hash, keys that
// are equal for Python, and keys that make Python's loading of the pickle very slow.

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "formats/pickle/machine.h"
#include "formats/pickle/pickle.h"

namespace aether2onnx::pickle {

namespace {

constexpr double k2To63 = 0x1p63;  // no integer of 64 bits is as large

// The hash table of a dict or set in CPython, without its content. Counts how many slots CPython
// looks at until each key has a slot, also when the table grows.
class HashTable {
 public:
  // After looking at `most` slots in all, insert() gives up. In a forged file, the number of slots
  // to look at may grow with the square of the number of keys.
  HashTable(bool in_set, std::uint64_t most) : in_set_(in_set), left_(most), slots_(8) {}

  // Adds a key whose hash is `hash`. Returns false if insert() would look at more slots, for all
  // keys together, than the constructor's limit `most`.
  bool insert(std::uint64_t hash) {
    hashes_.push_back(hash);
    const std::size_t used = hashes_.size();
    const std::size_t mask = slots_.size() - 1;
    const bool is_full = in_set_ ? used * 5 >= mask * 3 : used > slots_.size() * 2 / 3;
    if (!is_full) return take_slot(hash);
    const std::size_t of_set = used * (used > 50'000 ? 2 : 4) + 1;
    slots_.assign(std::bit_ceil(in_set_ ? of_set : (used - 1) * 3), false);
    return std::all_of(hashes_.begin(), hashes_.end(),
                       [&](std::uint64_t each) { return take_slot(each); });
  }

 private:
  bool take_slot(std::uint64_t hash) {
    const std::uint64_t mask = slots_.size() - 1;
    std::uint64_t slot = hash & mask;
    for (std::uint64_t perturb = hash;;) {
      // In a set, CPython also looks at the nine slots after `slot` if the table has nine slots
      // there. In a dict, CPython looks only at `slot`.
      const std::uint64_t last = in_set_ && slot + 9 <= mask ? slot + 9 : slot;
      for (std::uint64_t at = slot; at <= last; ++at) {
        if (left_-- == 0) return false;
        if (slots_[at]) continue;
        slots_[at] = true;
        return true;
      }
      perturb >>= 5U;
      slot = (slot * 5 + 1 + perturb) & mask;
    }
  }

  bool in_set_;
  std::uint64_t left_;
  std::vector<bool> slots_;
  std::vector<std::uint64_t> hashes_;
};

// Returns CPython's hash of an integer. Source: long_hash() in Objects/longobject.c.
std::uint64_t hash_of(std::int64_t number) {
  constexpr std::uint64_t modulus = (std::uint64_t{1} << 61U) - 1;
  const auto bits = static_cast<std::uint64_t>(number);
  const std::uint64_t size = (number < 0 ? 0 - bits : bits) % modulus;
  const std::uint64_t hash = number < 0 ? 0 - size : size;
  return hash == ~std::uint64_t{0} ? hash - 1 : hash;
}

// Returns equal results for numbers that are the same key for Python: 1, 1.0 and True are one key.
std::pair<bool, std::int64_t> number_key(const Document& document, ValueId key) {
  if (document.kind(key) == Kind::boolean) return {false, document.boolean(key) ? 1 : 0};
  if (document.kind(key) == Kind::integer) return {false, document.integer(key)};
  const double real = document.real(key);
  if (real >= -k2To63 && real < k2To63 &&
      static_cast<double>(static_cast<std::int64_t>(real)) == real) {
    return {false, static_cast<std::int64_t>(real)};
  }
  return {true, std::bit_cast<std::int64_t>(real)};
}

// Returns a key that a dict has twice; nullopt if each key occurs once. Sorts the keys instead of
// hashing them: with equal hashes, the work would grow with the square of the number of keys in a
// forged file.
std::optional<ValueId> repeated_key(const Document& document,
                                    std::span<const std::pair<ValueId, ValueId>> pairs) {
  std::vector<ValueId> ids;
  ids.reserve(pairs.size());
  for (const auto& [key, item] : pairs) ids.push_back(key);
  std::sort(ids.begin(), ids.end());
  // First, look for a ValueId that occurs twice in `ids`. If all ids differ, each text among the
  // keys has its own bytes in the pickle. All these texts together are then not longer than the
  // pickle, so sorting the texts below is fast.
  const auto same = std::adjacent_find(ids.begin(), ids.end());
  if (same != ids.end()) return *same;
  std::vector<std::pair<std::string_view, ValueId>> texts;
  std::vector<std::pair<std::string_view, ValueId>> integers;
  std::optional<ValueId> large_real;
  std::vector<std::pair<std::pair<bool, std::int64_t>, ValueId>> numbers;
  for (const ValueId id : ids) {
    switch (document.kind(id)) {
      case Kind::string:
        texts.emplace_back(document.text(id), id);
        break;
      case Kind::big_integer:
        integers.emplace_back(document.text(id), id);
        break;
      case Kind::boolean:
      case Kind::integer:
      case Kind::real:
        numbers.emplace_back(number_key(document, id), id);
        if (document.kind(id) == Kind::real && std::abs(document.real(id)) >= k2To63) {
          large_real = id;
        }
        break;
      default:
        break;
    }
  }
  const auto first_of = [](auto& keys) -> std::optional<ValueId> {
    std::sort(keys.begin(), keys.end());
    const auto equal = std::adjacent_find(
        keys.begin(), keys.end(), [](const auto& a, const auto& b) { return a.first == b.first; });
    return equal == keys.end() ? std::nullopt : std::optional(std::next(equal)->second);
  };
  if (const auto text = first_of(texts)) return text;
  if (const auto integer = first_of(integers)) return integer;
  // A real number with a magnitude of 2^63 or more may equal an integer of over 64 bits. This
  // function does not compare these two kinds of numbers. If the dict has both kinds, the function
  // returns the real number as a repeated key.
  if (large_real && !integers.empty()) return large_real;
  return first_of(numbers);
}

}  // namespace

bool may_be_set_key(const Document& document, std::span<const ValueId> set) {
  return set.size() <= limits::kSetKeyValues &&
         std::all_of(set.begin(), set.end(), [&](ValueId element) {
           const Kind kind = document.kind(element);
           return is_scalar(kind) && kind != Kind::big_integer;
         });
}

bool are_slow_keys(const Document& document, std::span<const ValueId> keys, bool in_set) {
  const auto is_integer = [&](ValueId key) { return document.kind(key) == Kind::integer; };
  const auto count = static_cast<std::size_t>(std::count_if(keys.begin(), keys.end(), is_integer));
  if (count <= limits::kChosenKeys) return false;
  HashTable table(in_set, count * limits::kProbesPerKey);
  return std::any_of(keys.begin(), keys.end(), [&](ValueId key) {
    return is_integer(key) && !table.insert(hash_of(document.integer(key)));
  });
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

void Machine::check_key(ValueId key, const char* of) {
  const auto no_key = [&](const std::string& what) {
    irregular({ErrorKind::malformed, "pickle-key"}, "{} is {}", of, what);
  };
  const Kind kind = document_.kind(key);
  if (kind == Kind::object) return;
  const bool is_set = kind == Kind::set;
  // Reports bytearrays, which Python cannot hash, and integers that are very long. Python computes
  // the hash of an integer again for each use as a key, so long integers slow Python down.
  if (document_.is_bytearray(key) ||
      (kind == Kind::big_integer && document_.text(key).size() > limits::kIntegerKeyBytes)) {
    no_key(kind == Kind::bytes
               ? "a bytearray"
               : fmt::format("an integer of over {} digits or bytes", limits::kIntegerKeyBytes));
    return;
  }
  if (!is_scalar(kind) && kind != Kind::tuple && !(is_set && value(key).number != 0)) {
    no_key(describe(document_, key));
    return;
  }
  if (!has_chosen_hash(document_, key)) return;
  if (++chosen_keys_ > limits::kChosenKeys) {
    no_key(fmt::format("one of over {} keys that are tuples, sets, real numbers or large integers",
                       limits::kChosenKeys));
  } else if (is_set && !may_be_set_key(document_, document_.elements(key))) {
    no_key(fmt::format("a set of over {} values or of values that Python compares slowly",
                       limits::kSetKeyValues));
  } else if (kind == Kind::tuple && !has_few_values(key)) {
    no_key(fmt::format("a tuple of over {} values or of values that Python hashes slowly",
                       limits::kTupleKeyValues));
  }
}

// Returns whether Python can hash `tuple` fast. The tuple and its inner tuples may have at most
// limits::kTupleKeyValues values in all. Each value must be an inner tuple, an object or a scalar,
// but no integer of over 64 bits.
bool Machine::has_few_values(ValueId tuple) {
  pending_.assign(1, tuple);
  for (std::size_t visited = 0; !pending_.empty(); ++visited) {
    const ValueId part = pending_.back();
    pending_.pop_back();
    const Kind kind = document_.kind(part);
    if (visited > limits::kTupleKeyValues || kind == Kind::big_integer) return false;
    if (is_scalar(kind) || kind == Kind::object) continue;
    const auto elements = document_.elements(part);
    if (kind != Kind::tuple || elements.size() > limits::kTupleKeyValues) return false;
    pending_.insert(pending_.end(), elements.begin(), elements.end());
  }
  return true;
}

void Machine::check_repeated_keys() {
  std::vector<ValueId> keys;
  for (ValueId id = 0; id < document_.values_.size(); ++id) {
    const auto pairs = document_.pairs(id);
    keys.clear();
    for (const auto& [key, item] : pairs) keys.push_back(key);
    const bool is_set = document_.kind(id) == Kind::set;
    if (are_slow_keys(document_, is_set ? document_.elements(id) : keys, is_set)) {
      opcode_at_ = value(id).at;
      irregular({ErrorKind::malformed, "pickle-key"},
                "{} has integers that collide in Python's hash table, which slows loading",
                describe(document_, id));
    }
    if (pairs.size() < 2) continue;
    if (const auto key = repeated_key(document_, pairs)) {
      opcode_at_ = value(*key).at;
      irregular({ErrorKind::malformed, "pickle-key-twice"}, "a dict has the key {} twice",
                describe(document_, *key));
    }
  }
}

}  // namespace aether2onnx::pickle
