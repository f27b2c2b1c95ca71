// The functions of class Machine for values. Some functions put values on the stack, into the memo
// or into containers. Others check whether Python could load the values, and whether a pickler (a
// program that writes pickles) could write the values.

#include <algorithm>
#include <array>

#include "base/limits.h"
#include "base/text.h"
#include "formats/pickle/machine.h"

namespace aether2onnx::pickle {

namespace {

constexpr std::size_t kIrregularities = 20;

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
    irregular({ErrorKind::malformed, "pickle-arguments"},
              "the arguments of a call are {}, not a tuple", describe(document_, arguments));
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
    malformed({ErrorKind::malformed, "pickle-mark"}, "an opcode needs a MARK, but no MARK is left");
  }
  const std::size_t begin = marks_.back();
  marks_.pop_back();
  above_mark_.assign(stack_.begin() + static_cast<std::ptrdiff_t>(begin), stack_.end());
  stack_.resize(begin);
  return above_mark_;
}

void Machine::drop() {
  // If no value lies above the last MARK, Python's POP removes this MARK, not a value.
  if (!marks_.empty() && stack_.size() == marks_.back()) {
    marks_.pop_back();
  } else {
    pop();
  }
}

// Sets memo entry `slot` to the value on top of the stack. Picklers number memo entries from 0 or 1
// on, and write at least one byte of the pickle for each entry. So `slot` is below the number of
// bytes read so far. A larger number is forged and would make the memo larger than the file.
void Machine::put(std::uint64_t slot) {
  if (slot >= reader_.position()) {
    malformed({ErrorKind::malformed, "pickle-memo"},
              "it sets memo entry {}, but the bytes so far are too few for this many memo entries",
              slot);
  }
  const auto at = static_cast<std::size_t>(slot);
  if (at >= memo_.size()) memo_.resize(at + 1, Document::kNoValue);
  const ValueId id = top();
  if (memo_[at] == Document::kNoValue) {
    ++memo_count_;
  } else if (memo_[at] != id) {
    irregular({ErrorKind::malformed, "pickle-memo-overwritten"},
              "memo entry {} is set twice, to different values", slot);
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

// Returns the container on top of the stack, to which an opcode adds values. `expected` is the kind
// of container that the opcode needs: a dict, a list or a set. Throws if the container has another
// kind. An opcode for a dict or a list also accepts an object (the record of a call), because
// pickles make an OrderedDict or a defaultdict by a call.
ValueId Machine::top_container(Kind expected) {
  const ValueId id = top();
  const Kind kind = document_.kind(id);
  // An object may have a class that is derived from dict or list. An object cannot be a set here:
  // for a class that is derived from set, Python writes a call with all elements as an argument.
  if (kind != expected && (kind != Kind::object || expected == Kind::set)) {
    malformed({ErrorKind::malformed, "pickle-container", {}, {}, describe(document_, id)},
              "it puts {} into {}, which can't hold them",
              expected == Kind::dict ? "items" : "elements", describe(document_, id));
  }
  if (value(id).used || value(id).state != Document::kNoValue) {
    irregular({ErrorKind::malformed, "pickle-change"},
              "{} gets more values after a call, a reference or BUILD has used it",
              describe(document_, id));
  }
  return id;
}

void Machine::append(std::span<const ValueId> elements, Kind to) {
  hold(elements.size());
  const ValueId id = top_container(to);
  if (to == Kind::set) {
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
    malformed({ErrorKind::malformed, "pickle-pairs"}, "a dict gets a key without a value");
  }
}

void Machine::set_items(std::span<const ValueId> flat) {
  check_pairs(flat);
  add_pairs(top_container(Kind::dict), flat);
}

void Machine::build() {
  const ValueId state = pop();
  const ValueId target = top();
  if (document_.kind(target) != Kind::object) {
    malformed({ErrorKind::malformed, "pickle-state", {}, {}, describe(document_, target)},
              "BUILD sets the state of {}, but only an object has a state",
              describe(document_, target));
  }
  // A pickle must not change a value after a call has used the value as an argument. BUILD is an
  // exception: BUILD may set the state of a used object, but only once. For example, the state can
  // contain a bound method of the object. The pickle makes this method by a call before BUILD, and
  // the object is an argument of this call.
  if (value(target).state != Document::kNoValue) {
    irregular({ErrorKind::malformed, "pickle-change"}, "BUILD sets the state of {} twice",
              describe(document_, target));
  }
  value(target).state = state;
  use_state(state);
}

// --- checks of values ---

void Machine::use(ValueId id) {
  pending_.assign(1, id);
  while (!pending_.empty()) {
    const ValueId next = pending_.back();
    pending_.pop_back();
    if (value(next).used || !is_container(document_.kind(next))) continue;
    value(next).used = true;
    // A value that is marked as used must not change later. The values in an object are not marked,
    // because later opcodes may still complete the object.
    if (document_.kind(next) == Kind::object || document_.kind(next) == Kind::persistent_id) {
      continue;
    }
    const auto elements = document_.elements(next);
    pending_.insert(pending_.end(), elements.begin(), elements.end());
    for (const auto& [key, item] : document_.pairs(next)) pending_.push_back(item);
  }
}

// Marks the state of an object as used: later opcodes must not change the state. Does not mark the
// objects in the state, because later opcodes may still complete these objects. For example, the
// state of a torch.nn.Module contains inner modules, and an inner module may refer to the outer
// module.
void Machine::use_state(ValueId state) {
  if (!is_container(document_.kind(state))) return;
  value(state).used = true;
  if (document_.kind(state) != Kind::tuple) return;
  for (const ValueId part : document_.elements(state)) {
    const Kind kind = document_.kind(part);
    if (kind == Kind::dict || kind == Kind::list || kind == Kind::set) value(part).used = true;
  }
}

// Reports values that are nested more than limits::kPickleDepth levels deep. No pickler writes
// deeper values: picklers write nested values by recursion, and Python limits the depth of
// recursion. The depth is the length of the longest chain of nested values. The order in which the
// pickle makes the values does not matter, because Python also frees nested values by recursion. If
// a value contains itself, the chain ends where the value occurs again.
void Machine::check_depth() {
  constexpr std::uint32_t unseen = 0;
  constexpr std::uint32_t entered = UINT32_MAX;
  std::vector<std::uint32_t> heights(document_.values_.size(), unseen);
  pending_.assign(1, document_.root_);
  while (!pending_.empty()) {
    const ValueId id = pending_.back();
    const bool is_complete = heights[id] == entered;
    if (!is_complete && heights[id] != unseen) {
      pending_.pop_back();
      continue;
    }
    heights[id] = entered;
    std::uint32_t inner = 0;
    const auto visit = [&](ValueId next) {
      if (next == Document::kNoValue || !is_container(document_.kind(next))) return;
      if (heights[next] == unseen) {
        if (!is_complete) pending_.push_back(next);
      } else if (heights[next] != entered) {
        inner = std::max(inner, heights[next]);
      }
    };
    const Value& here = value(id);
    visit(here.first);
    visit(here.second);
    for (const ValueId next : document_.elements(id)) visit(next);
    for (const auto& [key, item] : document_.pairs(id)) {
      visit(key);
      visit(item);
    }
    visit(here.state);
    if (!is_complete) continue;
    pending_.pop_back();
    heights[id] = inner + 1;
    if (heights[id] > limits::kPickleDepth) {
      opcode_at_ = here.at;
      irregular({ErrorKind::malformed, "pickle-depth"},
                "a value is nested more than {} levels deep", limits::kPickleDepth);
      return;
    }
  }
}

}  // namespace aether2onnx::pickle
