// The functions of class Machine for values: the stack, the memo, containers, and Python's limits.

#include <algorithm>
#include <array>

#include "base/limits.h"
#include "base/text.h"
#include "formats/pickle/machine.h"

namespace aether2onnx::pickle {

namespace {

constexpr std::size_t kIrregularities = 20;
// The largest number of values in a tuple that is a key, including the values of inner tuples. A
// limit is needed, because Python computes a tuple's hash at each use: for a tuple of nested
// tuples, this could take hours.
constexpr std::size_t kKeyValues = 100;
bool is_container(Kind kind) {
  return kind == Kind::tuple || kind == Kind::list || kind == Kind::set || kind == Kind::dict ||
         kind == Kind::object || kind == Kind::persistent_id;
}

}  // namespace

// --- errors ---

void Machine::refuse(Fault fault, const std::string& what) const {
  fail(std::move(fault),
       "the pickle in the file is damaged at byte {}: {}.\nDownload or copy the file again.",
       reader_.origin() + opcode_at_, what);
}

void Machine::note_irregular(Fault fault, std::string what) {
  if (strict_) {
    fail(std::move(fault),
         "the pickle in the file is suspicious at byte {}: {}. No program writes such a pickle, "
         "and readers understand it in different ways.\nAsk the author to save the file again "
         "with torch.save.",
         reader_.origin() + opcode_at_, what);
  }
  if (document_.irregularities_.size() >= kIrregularities) return;
  document_.irregularities_.push_back(
      {reader_.origin() + opcode_at_, std::move(fault.code), std::move(what)});
}

void Machine::beyond_limit(const char* subject, std::uint64_t most, const char* what) const {
  fail({ErrorKind::limit, "pickle-limit", subject, fmt::format("{}", most)},
       "the pickle in the file has over {} {}.\n{}", with_thousands(most), what,
       limits::how_to_raise(subject));
}

// --- values ---

ValueId Machine::add(Kind kind) {
  if (document_.values_.size() >= limits_.pickle_values) {
    beyond_limit("pickle_values", limits_.pickle_values, "values");
  }
  Value& value = document_.values_.emplace_back();
  value.kind = kind;
  value.at = static_cast<std::uint32_t>(std::min<std::uint64_t>(opcode_at_, UINT32_MAX));
  return static_cast<ValueId>(document_.values_.size() - 1);
}

Document::Container& Machine::container(ValueId id) {
  if (value(id).container == Document::kNoContainer) {
    value(id).container = static_cast<std::uint32_t>(document_.containers_.size());
    document_.containers_.emplace_back();
  }
  return document_.containers_[value(id).container];
}

void Machine::hold(std::size_t count) {
  held_ += count;
  if (held_ > limits_.pickle_items) {
    beyond_limit("pickle_items", limits_.pickle_items, "values in its containers");
  }
}

void Machine::push_global(std::string_view module, std::string_view name) {
  const ValueId id = add(Kind::global);
  value(id).text = module;
  value(id).second_text = name;
  push(id);
}

void Machine::push_sequence(Kind kind, std::span<const ValueId> elements) {
  if (kind == Kind::tuple && elements.empty()) {
    push(empty_tuple_);
    return;
  }
  const ValueId id = add(kind);
  if (!elements.empty()) {
    hold(elements.size());
    container(id).elements.assign(elements.begin(), elements.end());
  }
  push(id);
}

void Machine::push_short_tuple(std::size_t count) {
  std::array<ValueId, 3> elements{};
  for (std::size_t i = count; i > 0; --i) elements.at(i - 1) = pop();
  push_sequence(Kind::tuple, std::span(elements).first(count));
}

void Machine::push_object(CallForm form, ValueId callable, ValueId arguments) {
  if (document_.kind(arguments) != Kind::tuple) {
    irregular({ErrorKind::malformed, "pickle-arguments"}, "the arguments of a call are {}",
              describe(document_, arguments));
  }
  const ValueId id = add(Kind::object);
  value(id).form = form;
  value(id).first = callable;
  value(id).second = arguments;
  use(arguments);
  push(id);
}

void Machine::push_persistent_id() {
  const ValueId of = pop();
  const ValueId id = add(Kind::persistent_id);
  value(id).first = of;
  use(of);
  push(id);
}

// --- stack, marks, memo ---

void Machine::push(ValueId id) {
  if (stack_.size() >= limits_.pickle_values) {
    beyond_limit("pickle_values", limits_.pickle_values, "values on its stack");
  }
  stack_.push_back(id);
}

ValueId Machine::top() const {
  if (stack_.size() <= floor()) {
    malformed({ErrorKind::malformed, "pickle-stack"}, "it takes a value from an empty stack");
  }
  return stack_.back();
}

ValueId Machine::pop() {
  const ValueId id = top();
  stack_.pop_back();
  return id;
}

void Machine::push_mark() {
  if (marks_.size() >= limits_.pickle_values) {
    beyond_limit("pickle_values", limits_.pickle_values, "open marks");
  }
  marks_.push_back(stack_.size());
}

std::span<const ValueId> Machine::pop_mark() {
  if (marks_.empty()) {
    malformed({ErrorKind::malformed, "pickle-mark"}, "an operation lacks its MARK");
  }
  const std::size_t begin = marks_.back();
  marks_.pop_back();
  above_mark_.assign(stack_.begin() + static_cast<std::ptrdiff_t>(begin), stack_.end());
  stack_.resize(begin);
  return above_mark_;
}

void Machine::drop() {
  // Python's POP removes the last MARK if no value lies above this MARK.
  if (!marks_.empty() && stack_.size() == marks_.back()) {
    marks_.pop_back();
  } else {
    pop();
  }
}

// Sets memo entry `slot` to the value on top of the stack. Picklers number memo entries from 0 or 1
// on, and each entry takes at least one byte. So `slot` is below the number of bytes read so far. A
// larger number is forged and would make the memo larger than the file.
void Machine::put(std::uint64_t slot) {
  if (slot >= reader_.position()) {
    malformed({ErrorKind::malformed, "pickle-memo"},
              "it sets memo entry {}, a number that is too high here", slot);
  }
  const auto at = static_cast<std::size_t>(slot);
  if (at >= memo_.size()) memo_.resize(at + 1, Document::kNoValue);
  const ValueId id = top();
  if (memo_[at] == Document::kNoValue) {
    ++memo_count_;
  } else if (memo_[at] != id) {
    irregular({ErrorKind::malformed, "pickle-memo-overwritten"}, "memo entry {} gets another value",
              slot);
  }
  memo_[at] = id;
}

void Machine::get(std::uint64_t slot) {
  const bool set =
      slot < memo_.size() && memo_[static_cast<std::size_t>(slot)] != Document::kNoValue;
  if (!set) {
    malformed({ErrorKind::malformed, "pickle-memo"},
              "it refers to memo entry {}, which was never set", slot);
  }
  push(memo_[static_cast<std::size_t>(slot)]);
}

// --- operations on containers ---

// Returns the container on top of the stack, for an opcode that adds items (`takes_items`) or
// elements. Dicts accept items, lists and sets accept elements. An object (the record of a call)
// accepts both, because an OrderedDict or a defaultdict is the record of a call.
ValueId Machine::top_container(bool takes_items) {
  const ValueId id = top();
  const Kind kind = document_.kind(id);
  const bool fits = kind == Kind::object ||
                    (takes_items ? kind == Kind::dict : kind == Kind::list || kind == Kind::set);
  if (!fits) {
    malformed({ErrorKind::malformed, "pickle-container", {}, {}, describe(document_, id)},
              "it puts {} into {}", takes_items ? "items" : "elements", describe(document_, id));
  }
  if (value(id).used || value(id).state != Document::kNoValue) {
    irregular({ErrorKind::malformed, "pickle-change"},
              "{} changes after Python has read its content", describe(document_, id));
  }
  return id;
}

void Machine::append(std::span<const ValueId> elements) {
  hold(elements.size());
  const ValueId id = top_container(false);
  if (document_.kind(id) == Kind::set) {
    for (const ValueId element : elements) check_key(element, "an element of a set");
  }
  auto& target = container(id).elements;
  target.insert(target.end(), elements.begin(), elements.end());
}

void Machine::add_pairs(ValueId dict, std::span<const ValueId> flat) {
  hold(flat.size());
  auto& target = container(dict).pairs;
  for (std::size_t i = 0; i + 1 < flat.size(); i += 2) {
    check_key(flat[i], "a key of a dict");
    target.emplace_back(flat[i], flat[i + 1]);
  }
}

void Machine::check_pairs(std::span<const ValueId> flat) const {
  if (flat.size() % 2 != 0) {
    malformed({ErrorKind::malformed, "pickle-pairs"}, "a dict's items don't come in pairs");
  }
}

void Machine::set_items(std::span<const ValueId> flat) {
  check_pairs(flat);
  add_pairs(top_container(true), flat);
}

void Machine::build() {
  const ValueId state = pop();
  const ValueId target = top();
  if (document_.kind(target) != Kind::object) {
    malformed({ErrorKind::malformed, "pickle-state", {}, {}, describe(document_, target)},
              "BUILD sets the state of {}, but only an object has a state",
              describe(document_, target));
  }
  // BUILD may set the state of a used object: a call may have read the object, because an object's
  // state can lead to a bound method of the same object.
  if (value(target).state != Document::kNoValue) {
    irregular({ErrorKind::malformed, "pickle-change"}, "{} gets a second state",
              describe(document_, target));
  }
  value(target).state = state;
  use_state(state);
}

// --- how Python would read the values ---

void Machine::use(ValueId id) {
  pending_.assign(1, id);
  while (!pending_.empty()) {
    const ValueId next = pending_.back();
    pending_.pop_back();
    if (value(next).used || !is_container(document_.kind(next))) continue;
    value(next).used = true;
    // Values in an object are not marked: later opcodes may still complete the object.
    if (document_.kind(next) == Kind::object || document_.kind(next) == Kind::persistent_id) {
      continue;
    }
    const auto elements = document_.elements(next);
    pending_.insert(pending_.end(), elements.begin(), elements.end());
    for (const auto& [key, item] : document_.pairs(next)) pending_.push_back(item);
  }
}

// Marks the state of an object, but no objects in the state, because these may not be complete yet:
// a module's state refers to the modules in it, and these may refer to the outer module.
void Machine::use_state(ValueId state) {
  if (!is_container(document_.kind(state))) return;
  value(state).used = true;
  if (document_.kind(state) != Kind::tuple) return;
  for (const ValueId part : document_.elements(state)) {
    const Kind kind = document_.kind(part);
    if (kind == Kind::dict || kind == Kind::list || kind == Kind::set) value(part).used = true;
  }
}

void Machine::check_key(ValueId key, const char* of) {
  const auto no_key = [&](const std::string& what) {
    irregular({ErrorKind::malformed, "pickle-key"}, "{} is {}", of, what);
  };
  switch (document_.kind(key)) {
    case Kind::none:
    case Kind::boolean:
    case Kind::integer:
    case Kind::real:
    case Kind::string:
    case Kind::bytes:
    case Kind::global:
    case Kind::object:
      return;
    case Kind::set:
      if (value(key).number == 0) no_key("a set");
      break;
    case Kind::big_integer:
    case Kind::tuple:
      break;
    default:
      no_key(describe(document_, key));
      return;
  }
  if (++tuple_keys_ > limits::kTupleKeys) {
    no_key("one of too many tuples, sets and large numbers");
    return;
  }
  if (document_.kind(key) != Kind::tuple) return;
  pending_.assign(1, key);
  for (std::size_t visited = 0; !pending_.empty(); ++visited) {
    const ValueId part = pending_.back();
    pending_.pop_back();
    const Kind kind = document_.kind(part);
    const bool is_scalar = kind == Kind::none || kind == Kind::boolean || kind == Kind::integer ||
                           kind == Kind::real || kind == Kind::string || kind == Kind::bytes ||
                           kind == Kind::global || kind == Kind::object;
    if (visited > kKeyValues || !(is_scalar || kind == Kind::tuple)) {
      no_key("a tuple of more than a few numbers and texts");
      return;
    }
    if (kind != Kind::tuple) continue;
    const auto elements = document_.elements(part);
    if (elements.size() > kKeyValues) {
      no_key("a tuple of more than a few numbers and texts");
      return;
    }
    pending_.insert(pending_.end(), elements.begin(), elements.end());
  }
}

namespace {

// Returns equal results for numbers that are the same key for Python: 1, 1.0 and True are one key.
std::pair<bool, std::int64_t> number_key(const Document& document, ValueId key) {
  if (document.kind(key) == Kind::boolean) return {false, document.boolean(key) ? 1 : 0};
  if (document.kind(key) == Kind::integer) return {false, document.integer(key)};
  const double real = document.real(key);
  constexpr double most = 9.2e18;
  if (real > -most && real < most && static_cast<double>(static_cast<std::int64_t>(real)) == real) {
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
  // First, look for two uses of one value. Different values have their texts in different parts of
  // the pickle, so the texts that are sorted below are together not longer than the pickle.
  const auto same = std::adjacent_find(ids.begin(), ids.end());
  if (same != ids.end()) return *same;
  std::vector<std::pair<std::string_view, ValueId>> texts;
  std::vector<std::pair<std::pair<bool, std::int64_t>, ValueId>> numbers;
  for (const ValueId id : ids) {
    switch (document.kind(id)) {
      case Kind::string:
        texts.emplace_back(document.text(id), id);
        break;
      case Kind::boolean:
      case Kind::integer:
      case Kind::real:
        numbers.emplace_back(number_key(document, id), id);
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
  return first_of(numbers);
}

}  // namespace

void Machine::check_repeated_keys() {
  for (ValueId id = 0; id < document_.values_.size(); ++id) {
    const auto pairs = document_.pairs(id);
    if (pairs.size() < 2) continue;
    if (const auto key = repeated_key(document_, pairs)) {
      opcode_at_ = value(*key).at;
      irregular({ErrorKind::malformed, "pickle-key-twice"}, "a dict has the key {} twice",
                describe(document_, *key));
    }
  }
}

// Reports values that are nested too deep. No pickler writes such values: picklers write nested
// values by recursion, which Python's stack limits. The check visits the values in the order of a
// pickler.
void Machine::check_depth() {
  struct At {
    ValueId id;
    std::uint32_t depth;
  };
  std::vector<bool> seen(document_.values_.size());
  std::vector<At> pending = {{document_.root_, 1}};
  while (!pending.empty()) {
    const At at = pending.back();
    pending.pop_back();
    if (seen[at.id]) continue;
    seen[at.id] = true;
    if (at.depth > limits::kPickleDepth) {
      opcode_at_ = value(at.id).at;
      irregular({ErrorKind::malformed, "pickle-depth"},
                "a value is nested more than {} levels deep", limits::kPickleDepth);
      return;
    }
    const std::size_t first = pending.size();
    const auto visit = [&](ValueId next) {
      if (next != Document::kNoValue && is_container(document_.kind(next)) && !seen[next]) {
        pending.push_back({next, at.depth + 1});
      }
    };
    const Value& here = value(at.id);
    visit(here.first);
    visit(here.second);
    for (const ValueId next : document_.elements(at.id)) visit(next);
    for (const auto& [key, item] : document_.pairs(at.id)) {
      visit(key);
      visit(item);
    }
    visit(here.state);
    std::reverse(pending.begin() + static_cast<std::ptrdiff_t>(first), pending.end());
  }
}

}  // namespace aether2onnx::pickle
