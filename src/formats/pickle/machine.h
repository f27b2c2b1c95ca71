/// @file
/// The machine that reads a pickle: its stack, its memo and the values that it makes. Private to
/// this folder.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>

#include "base/error.h"
#include "base/limits.h"
#include "base/text.h"
#include "formats/pickle/byte_reader.h"
#include "formats/pickle/opcodes.h"
#include "formats/pickle/pickle.h"

namespace aether2onnx::pickle {

/// Executes the opcodes of a pickle as data: the stack holds indices of values in a Document.
class Machine {
 public:
  Machine(Document& document, ByteReader& reader, const Context& context)
      : limits_(context.limits), document_(document), reader_(reader) {
    none_ = add(Kind::none);
    true_ = add(Kind::boolean);
    value(true_).integer = 1;
    false_ = add(Kind::boolean);
    empty_tuple_ = add(Kind::tuple);
  }

  /// Throws Error(malformed), with the byte, or Error(limit).
  void run() {
    for (;;) {
      opcode_at_ = reader_.position();
      const unsigned char opcode = take_byte("an opcode");
      if (opcode == kStop) break;
      execute(opcode);
      check_frame();
    }
    check_frame();
    if (frame_end_ > reader_.position()) {
      malformed({ErrorKind::malformed, "pickle-frame"},
                "a frame reaches beyond the end of the pickle");
    }
    document_.root_ = pop();
    document_.consumed_ = static_cast<std::size_t>(reader_.position());
  }

  /// Keeps the values before the first error, and the error as Document::problem().
  void run_as_far_as_possible() {
    try {
      run();
    } catch (const Error& error) {
      if (error.kind != ErrorKind::malformed && error.kind != ErrorKind::limit) throw;
      document_.problem_ = error.what();
      document_.root_ = none_;
      document_.consumed_ = static_cast<std::size_t>(opcode_at_);
    }
  }

 private:
  using Value = Document::Value;

  // --- reading ---

  template <typename... Args>
  [[noreturn]] void malformed(Fault fault, fmt::format_string<Args...> what, Args&&... args) const {
    fail(std::move(fault),
         "the pickle in the file is damaged at byte {}: {}.\nDownload or copy the file again.",
         reader_.origin() + opcode_at_, fmt::format(what, std::forward<Args>(args)...));
  }

  // `subject` is the limit's name.
  [[noreturn]] void beyond_limit(const char* subject, std::uint64_t most, const char* what) const {
    fail({ErrorKind::limit, "pickle-limit", subject, fmt::format("{}", most)},
         "the pickle in the file has over {} {}.\n{}", with_thousands(most), what,
         limits::how_to_raise(subject));
  }

  std::span<const std::byte> take(std::uint64_t count, const char* what) {
    if (count > reader_.left()) {
      malformed({ErrorKind::malformed,
                 "pickle-truncated",
                 {},
                 fmt::format("{}", count),
                 fmt::format("{}", reader_.left())},
                "it ends within {} ({} wanted, {} left)", what, plural(count, "byte"),
                reader_.left());
    }
    return reader_.take(count);
  }

  unsigned char take_byte(const char* what) {
    return std::to_integer<unsigned char>(take(1, what).front());
  }

  // A little-endian number of `size` bytes, up to 8.
  std::uint64_t take_unsigned(std::size_t size, const char* what) {
    std::uint64_t number = 0;
    const auto bytes = take(size, what);
    for (std::size_t i = 0; i < size; ++i) {
      number |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
    }
    return number;
  }

  // A frame tells a reader how many bytes to read at once. Every pickler ends a frame between two
  // opcodes. If a frame ends within an opcode's argument, CPython's C unpickler drops the rest of
  // the frame and reads on behind it; other unpicklers read the argument. The file would then be
  // two pickles. A frame within a frame has the same effect. So has a frame that reaches beyond
  // STOP if another pickle follows.
  // Source: _Unpickler_ReadImpl, _Unpickler_Readline and load_frame in Modules/_pickle.c.
  void begin_frame() {
    if (opcode_at_ < frame_end_) {
      malformed({ErrorKind::malformed, "pickle-frame"}, "a frame lies in another frame");
    }
    const std::uint64_t size = take_unsigned(8, "a frame");
    if (size > reader_.left()) {
      malformed({ErrorKind::malformed, "pickle-frame"}, "a frame is longer than the pickle");
    }
    frame_end_ = reader_.position() + size;
  }

  // Throws if a frame ends within the opcode that was just read.
  void check_frame() const {
    if (opcode_at_ < frame_end_ && frame_end_ < reader_.position()) {
      malformed({ErrorKind::malformed, "pickle-frame"}, "a frame ends within this opcode");
    }
  }

  std::string_view take_text(std::uint64_t size, const char* what) {
    const auto bytes = take(size, what);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  // Returns the text before the next newline, and takes the newline too.
  std::string_view take_line(const char* what) {
    const auto line = reader_.take_line();
    if (!line) {
      malformed({ErrorKind::malformed, "pickle-truncated"}, "{} has no end", what);
    }
    return *line;
  }

  // --- values ---

  Value& value(ValueId id) { return document_.values_[id]; }

  ValueId add(Kind kind) {
    if (document_.values_.size() >= limits_.pickle_values) {
      beyond_limit("pickle_values", limits_.pickle_values, "values");
    }
    document_.values_.emplace_back();
    document_.values_.back().kind = kind;
    return static_cast<ValueId>(document_.values_.size() - 1);
  }

  Document::Container& container(ValueId id) {
    if (value(id).container == Document::kNoContainer) {
      value(id).container = static_cast<std::uint32_t>(document_.containers_.size());
      document_.containers_.emplace_back();
    }
    return document_.containers_[value(id).container];
  }

  void push_integer(std::int64_t number) {
    const ValueId id = add(Kind::integer);
    value(id).integer = number;
    push(id);
  }

  void push_text(Kind kind, std::string_view text) {
    const ValueId id = add(kind);
    value(id).text = text;
    push(id);
  }

  void push_global(std::string_view module, std::string_view name) {
    const ValueId id = add(Kind::global);
    value(id).text = module;
    value(id).second_text = name;
    push(id);
  }

  void push_sequence(Kind kind, std::span<const ValueId> elements) {
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

  void push_object(ValueId callable, ValueId arguments) {
    const ValueId id = add(Kind::object);
    value(id).first = callable;
    value(id).second = arguments;
    push(id);
  }

  // --- stack, marks, memo ---

  void push(ValueId id) {
    if (stack_.size() >= limits_.pickle_values) {
      beyond_limit("pickle_values", limits_.pickle_values, "values on its stack");
    }
    stack_.push_back(id);
  }

  // The lowest index that pop() may take. The values above the last mark are the arguments of a
  // later opcode. Python keeps them on a separate stack, so pop() must not reach below the mark.
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  ValueId pop() {
    const ValueId id = top();
    stack_.pop_back();
    return id;
  }

  ValueId top() const {
    if (stack_.size() <= floor()) {
      malformed({ErrorKind::malformed, "pickle-stack"}, "it takes a value from an empty stack");
    }
    return stack_.back();
  }

  // Removes the last mark and returns the values above it. They are valid until the next call.
  std::span<const ValueId> pop_mark() {
    if (marks_.empty()) {
      malformed({ErrorKind::malformed, "pickle-mark"}, "an operation lacks its MARK");
    }
    const std::size_t begin = marks_.back();
    marks_.pop_back();
    above_mark_.assign(stack_.begin() + static_cast<std::ptrdiff_t>(begin), stack_.end());
    stack_.resize(begin);
    return above_mark_;
  }

  // Picklers number memo entries from 0 or 1 on, and each entry takes at least one byte. An entry's
  // number is therefore below the count of bytes before the entry. A larger number is forged; it
  // would make the memo larger than the file.
  void put(std::uint64_t slot) {
    if (slot >= reader_.position()) {
      malformed({ErrorKind::malformed, "pickle-memo"}, "it sets memo entry {} out of turn", slot);
    }
    const auto at = static_cast<std::size_t>(slot);
    if (at >= memo_.size()) memo_.resize(at + 1, Document::kNoValue);
    const ValueId id = top();
    if (memo_[at] == Document::kNoValue) {
      ++memo_count_;
    } else if (memo_[at] != id) {
      ++document_.memo_overwrites_;
    }
    memo_[at] = id;
  }

  void get(std::uint64_t slot) {
    const bool set =
        slot < memo_.size() && memo_[static_cast<std::size_t>(slot)] != Document::kNoValue;
    if (!set) {
      malformed({ErrorKind::malformed, "pickle-memo"},
                "it refers to memo entry {}, which was never set", slot);
    }
    push(memo_[static_cast<std::size_t>(slot)]);
  }

  // --- numbers written as text or with any length ---

  [[noreturn]] void not_a_number(std::string_view text) const {
    malformed({ErrorKind::malformed, "pickle-number", {}, {}, printable(text, 40)},
              "'{}' is no number", printable(text, 40));
  }

  std::int64_t parse_decimal(std::string_view text) const {
    std::int64_t number = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
    if (result.ec != std::errc{} || result.ptr != text.data() + text.size()) {
      not_a_number(text);
    }
    return number;
  }

  std::uint64_t parse_slot(std::string_view text) const {
    const std::int64_t slot = parse_decimal(text);
    if (slot < 0) {
      malformed({ErrorKind::malformed, "pickle-memo"}, "a memo entry has a negative number");
    }
    return static_cast<std::uint64_t>(slot);
  }

  // INT: a decimal number; 00 and 01 are False and True.
  void push_int_line(std::string_view text) {
    if (text == "00" || text == "01") {
      push(text == "01" ? true_ : false_);
    } else {
      push_integer(parse_decimal(text));
    }
  }

  void push_long_line(std::string_view text) {
    if (text.ends_with('L')) text.remove_suffix(1);
    const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
    const bool only_digits =
        !digits.empty() &&
        std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (only_digits && digits.size() > 18) {
      push(add(Kind::big_integer));
    } else {
      push_integer(parse_decimal(text));
    }
  }

  void push_float_line(std::string_view text) {
    double number = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
    if (result.ec == std::errc::invalid_argument || result.ptr != text.data() + text.size()) {
      not_a_number(text);
    }
    const ValueId id = add(Kind::real);
    value(id).real = number;
    push(id);
  }

  // LONG1 and LONG4: two's complement, little-endian, of any length.
  void push_long(std::uint64_t size) {
    const auto bytes = take(size, "a number");
    if (size > 8) {
      push(add(Kind::big_integer));
      return;
    }
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      number |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
    }
    const bool negative = size > 0 && (std::to_integer<unsigned>(bytes.back()) & 0x80U) != 0;
    if (negative && size < 8) number |= ~std::uint64_t{0} << (8 * size);
    push_integer(static_cast<std::int64_t>(number));
  }

  void push_binary_float() {
    const auto bytes = take(8, "a number");
    std::uint64_t bits = 0;
    for (const std::byte byte : bytes) bits = (bits << 8U) | std::to_integer<std::uint64_t>(byte);
    const ValueId id = add(Kind::real);
    value(id).real = std::bit_cast<double>(bits);
    push(id);
  }

  // STRING: a Python string literal in quotes. Escapes are kept as written: no name of a tensor or
  // class has any.
  void push_string_line(std::string_view text) {
    const bool quoted = text.size() >= 2 && (text.front() == '\'' || text.front() == '"') &&
                        text.back() == text.front();
    if (!quoted) {
      malformed({ErrorKind::malformed, "pickle-text"}, "a string isn't in quotes");
    }
    push_text(Kind::string, text.substr(1, text.size() - 2));
  }

  // UNICODE: a line in raw-unicode-escape.
  void push_unicode_line(std::string_view text) {
    if (text.find('\\') == std::string_view::npos) {
      push_text(Kind::string, text);
      return;
    }
    auto decoded = decode_raw_unicode(text);
    if (!decoded) {
      malformed({ErrorKind::malformed, "pickle-text"}, "a \\u escape is no character");
    }
    push_text(Kind::string, document_.unescaped_.emplace_back(std::move(*decoded)));
  }

  // --- operations on containers ---

  // Returns the container on top of the stack. Lists and sets take elements, dicts take items. The
  // record of a call takes both, since an OrderedDict or a defaultdict is such a record.
  ValueId top_container(bool takes_items) {
    const ValueId id = top();
    const Kind kind = document_.kind(id);
    const bool fits = kind == Kind::object ||
                      (takes_items ? kind == Kind::dict : kind == Kind::list || kind == Kind::set);
    if (!fits) {
      malformed({ErrorKind::malformed, "pickle-container", {}, {}, describe(document_, id)},
                "it puts {} into {}", takes_items ? "items" : "elements", describe(document_, id));
    }
    return id;
  }

  // Counts the places in all containers. One or two bytes put a value into another container.
  void hold(std::size_t count) {
    held_ += count;
    if (held_ > limits_.pickle_items) {
      beyond_limit("pickle_items", limits_.pickle_items, "values in its containers");
    }
  }

  void append(std::span<const ValueId> elements) {
    hold(elements.size());
    auto& target = container(top_container(false)).elements;
    target.insert(target.end(), elements.begin(), elements.end());
  }

  void add_pairs(Document::Container& target, std::span<const ValueId> flat) {
    hold(flat.size());
    for (std::size_t i = 0; i + 1 < flat.size(); i += 2) {
      target.pairs.emplace_back(flat[i], flat[i + 1]);
    }
  }

  void check_pairs(std::span<const ValueId> flat) const {
    if (flat.size() % 2 != 0) {
      malformed({ErrorKind::malformed, "pickle-pairs"}, "a dict's items don't come in pairs");
    }
  }

  void set_items(std::span<const ValueId> flat) {
    check_pairs(flat);
    add_pairs(container(top_container(true)), flat);
  }

  void build() {
    const ValueId state = pop();
    const ValueId target = top();
    if (document_.kind(target) != Kind::object) {
      malformed({ErrorKind::malformed, "pickle-state", {}, {}, describe(document_, target)},
                "it sets the state of {}", describe(document_, target));
    }
    value(target).state = state;
  }

  void push_short_tuple(std::size_t count) {
    std::array<ValueId, 3> elements{};
    for (std::size_t i = count; i > 0; --i) elements.at(i - 1) = pop();
    push_sequence(Kind::tuple, std::span(elements).first(count));
  }

  void push_persistent_id() {
    const ValueId of = pop();
    const ValueId id = add(Kind::persistent_id);
    value(id).first = of;
    push(id);
  }

  // Sizes of 4 bytes are signed in some opcodes.
  std::uint64_t take_signed_size(const char* what) {
    const auto size = static_cast<std::int32_t>(take_unsigned(4, what));
    if (size < 0)
      malformed({ErrorKind::malformed, "pickle-length"}, "{} has a negative length", what);
    return static_cast<std::uint64_t>(size);
  }

  // --- opcodes ---

  void execute(unsigned char opcode);
  void execute_structure(unsigned char opcode);
  void execute_call(unsigned char opcode);
  [[noreturn]] void refuse(unsigned char opcode) const;

  const Limits& limits_;
  Document& document_;
  ByteReader& reader_;
  std::uint64_t opcode_at_ = 0;
  std::uint64_t frame_end_ = 0;  // of the last frame
  std::size_t held_ = 0;         // in all containers
  std::vector<ValueId> stack_;
  std::vector<std::size_t> marks_;
  std::vector<ValueId> above_mark_;
  std::vector<ValueId> memo_;
  std::size_t memo_count_ = 0;
  ValueId none_ = 0;
  ValueId true_ = 0;
  ValueId false_ = 0;
  ValueId empty_tuple_ = 0;
};

}  // namespace aether2onnx::pickle
