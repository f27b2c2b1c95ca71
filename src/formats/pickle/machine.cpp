// The pickle machine: executes the opcodes, as data.

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

// Executes the opcodes on a stack of value indices.
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

  void run() {
    for (;;) {
      opcode_at_ = reader_.position();
      const unsigned char opcode = take_byte("an opcode");
      if (opcode == kStop) break;
      execute(opcode);
      check_frame();
    }
    check_frame();
    if (frame_end_ > reader_.position()) malformed("a frame reaches beyond the end of the pickle");
    document_.root_ = pop();
    document_.consumed_ = static_cast<std::size_t>(reader_.position());
  }

 private:
  using Value = Document::Value;

  // --- reading ---

  [[noreturn]] void malformed(const std::string& what) const {
    fail(ErrorKind::malformed,
         "the pickle in the file is damaged at byte {}: {}.\nDownload or copy the file again.",
         reader_.origin() + opcode_at_, what);
  }

  std::span<const std::byte> take(std::uint64_t count, const char* what) {
    if (count > reader_.left()) {
      malformed(fmt::format("it ends within {} ({} wanted, {} left)", what, plural(count, "byte"),
                            reader_.left()));
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

  // A frame only tells how much to read at once, and every pickler ends one between two opcodes.
  // Where a frame ends within an opcode's argument, CPython's C unpickler drops the rest of the
  // frame and reads on behind it, other unpicklers don't: the file would be two pickles. The same
  // holds for a frame in a frame, and for a frame that reaches beyond STOP if another pickle
  // follows. Source: _Unpickler_ReadImpl, _Unpickler_Readline and load_frame in Modules/_pickle.c.
  void begin_frame() {
    if (opcode_at_ < frame_end_) malformed("a frame lies in another frame");
    const std::uint64_t size = take_unsigned(8, "a frame");
    if (size > reader_.left()) malformed("a frame is longer than the pickle");
    frame_end_ = reader_.position() + size;
  }

  // After an opcode was read: whether a frame ends in it.
  void check_frame() const {
    if (opcode_at_ < frame_end_ && frame_end_ < reader_.position()) {
      malformed("a frame ends within this opcode");
    }
  }

  std::string_view take_text(std::uint64_t size, const char* what) {
    const auto bytes = take(size, what);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  // Up to the next newline, which is taken too.
  std::string_view take_line(const char* what) {
    const auto line = reader_.take_line();
    if (!line) malformed(fmt::format("{} has no end", what));
    return *line;
  }

  // --- values ---

  Value& value(ValueId id) { return document_.values_[id]; }

  ValueId add(Kind kind) {
    if (document_.values_.size() >= limits_.pickle_values) {
      fail(ErrorKind::limit, "the pickle in the file has over {} values.\n{}",
           with_thousands(limits_.pickle_values), limits::how_to_raise("pickle_values"));
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
      fail(ErrorKind::limit, "the pickle in the file has over {} values on its stack.\n{}",
           with_thousands(limits_.pickle_values), limits::how_to_raise("pickle_values"));
    }
    stack_.push_back(id);
  }

  // The values above the last mark belong to an operation that is still being prepared; Python
  // keeps them on a stack of their own, so no single pop may reach below the mark.
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  ValueId pop() {
    const ValueId id = top();
    stack_.pop_back();
    return id;
  }

  ValueId top() const {
    if (stack_.size() <= floor()) malformed("it takes a value from an empty stack");
    return stack_.back();
  }

  // Removes the last mark and gives the values above it. They are valid until the next push.
  std::span<const ValueId> pop_mark() {
    if (marks_.empty()) malformed("an operation lacks its MARK");
    const std::size_t begin = marks_.back();
    marks_.pop_back();
    above_mark_.assign(stack_.begin() + static_cast<std::ptrdiff_t>(begin), stack_.end());
    stack_.resize(begin);
    return above_mark_;
  }

  // Picklers number memo entries from 0 (or 1) on, so an entry's number is below the count of bytes
  // before it; a larger one is forged, and would make the memo larger than the file.
  void put(std::uint64_t slot) {
    if (slot >= reader_.position())
      malformed(fmt::format("it sets memo entry {} out of turn", slot));
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
      malformed(fmt::format("it refers to memo entry {}, which was never set", slot));
    }
    push(memo_[static_cast<std::size_t>(slot)]);
  }

  // --- numbers written as text or with any length ---

  std::int64_t parse_decimal(std::string_view text) const {
    std::int64_t number = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
    if (result.ec != std::errc{} || result.ptr != text.data() + text.size()) {
      malformed(fmt::format("'{}' is no number", printable(text, 40)));
    }
    return number;
  }

  std::uint64_t parse_slot(std::string_view text) const {
    const std::int64_t slot = parse_decimal(text);
    if (slot < 0) malformed("a memo entry has a negative number");
    return static_cast<std::uint64_t>(slot);
  }

  // INT: 00 and 01 are False and True, everything else is a decimal number.
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
      malformed(fmt::format("'{}' is no number", printable(text, 40)));
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

  // STRING: a Python string literal in quotes. Escapes are kept apart from `text` because no name
  // that matters here has any: they are left as they stand.
  void push_string_line(std::string_view text) {
    const bool quoted = text.size() >= 2 && (text.front() == '\'' || text.front() == '"') &&
                        text.back() == text.front();
    if (!quoted) malformed("a string isn't in quotes");
    push_text(Kind::string, text.substr(1, text.size() - 2));
  }

  // UNICODE: a line in raw-unicode-escape.
  void push_unicode_line(std::string_view text) {
    if (text.find('\\') == std::string_view::npos) {
      push_text(Kind::string, text);
      return;
    }
    auto decoded = decode_raw_unicode(text);
    if (!decoded) malformed("a \\u escape is no character");
    push_text(Kind::string, document_.unescaped_.emplace_back(std::move(*decoded)));
  }

  // --- operations on containers ---

  // Lists and sets take elements, dicts take items; so do the records of calls, since an
  // OrderedDict or a defaultdict is one.
  ValueId top_container(bool takes_items) {
    const ValueId id = top();
    const Kind kind = document_.kind(id);
    const bool fits = kind == Kind::object ||
                      (takes_items ? kind == Kind::dict : kind == Kind::list || kind == Kind::set);
    if (!fits) {
      malformed(fmt::format("it puts {} into {}", takes_items ? "items" : "elements",
                            describe(document_, id)));
    }
    return id;
  }

  // Counts what containers hold: a value may be put into many with a byte or two each time.
  void hold(std::size_t count) {
    held_ += count;
    if (held_ > limits_.pickle_items) {
      fail(ErrorKind::limit, "the containers of the pickle in the file hold over {} values.\n{}",
           with_thousands(limits_.pickle_items), limits::how_to_raise("pickle_items"));
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

  void set_items(std::span<const ValueId> flat) {
    if (flat.size() % 2 != 0) malformed("a dict's items don't come in pairs");
    add_pairs(container(top_container(true)), flat);
  }

  void build() {
    const ValueId state = pop();
    const ValueId target = top();
    if (document_.kind(target) != Kind::object) {
      malformed(fmt::format("it sets the state of {}", describe(document_, target)));
    }
    value(target).state = state;
  }

  void execute(unsigned char opcode) {
    switch (opcode) {
      case kProto:
        if (take_byte("the protocol") > kHighestProtocol) {
          malformed(fmt::format("it is of a protocol above {}", kHighestProtocol));
        }
        break;
      case kFrame:
        begin_frame();
        break;
      case kNone:
        push(none_);
        break;
      case kNewTrue:
        push(true_);
        break;
      case kNewFalse:
        push(false_);
        break;
      case kBinInt:
        push_integer(static_cast<std::int32_t>(take_unsigned(4, "a number")));
        break;
      case kBinInt1:
        push_integer(take_byte("a number"));
        break;
      case kBinInt2:
        push_integer(static_cast<std::int64_t>(take_unsigned(2, "a number")));
        break;
      case kLong1:
        push_long(take_byte("a number"));
        break;
      case kLong4: {
        const auto size = static_cast<std::int32_t>(take_unsigned(4, "a number"));
        if (size < 0) malformed("a number has a negative length");
        push_long(static_cast<std::uint64_t>(size));
        break;
      }
      case kBinFloat:
        push_binary_float();
        break;
      case kInt:
        push_int_line(take_line("a number"));
        break;
      case kLong:
        push_long_line(take_line("a number"));
        break;
      case kFloat:
        push_float_line(take_line("a number"));
        break;
      case kString:
        push_string_line(take_line("a string"));
        break;
      case kUnicode:
        push_unicode_line(take_line("a string"));
        break;
      case kShortBinString:
        push_text(Kind::string, take_text(take_byte("a string"), "a string"));
        break;
      case kBinString: {
        const auto size = static_cast<std::int32_t>(take_unsigned(4, "a string"));
        if (size < 0) malformed("a string has a negative length");
        push_text(Kind::string, take_text(static_cast<std::uint64_t>(size), "a string"));
        break;
      }
      case kShortBinUnicode:
        push_text(Kind::string, take_text(take_byte("a string"), "a string"));
        break;
      case kBinUnicode:
        push_text(Kind::string, take_text(take_unsigned(4, "a string"), "a string"));
        break;
      case kBinUnicode8:
        push_text(Kind::string, take_text(take_unsigned(8, "a string"), "a string"));
        break;
      case kShortBinBytes:
        push_text(Kind::bytes, take_text(take_byte("bytes"), "bytes"));
        break;
      case kBinBytes:
        push_text(Kind::bytes, take_text(take_unsigned(4, "bytes"), "bytes"));
        break;
      case kBinBytes8:
      case kByteArray8:
        push_text(Kind::bytes, take_text(take_unsigned(8, "bytes"), "bytes"));
        break;
      default:
        execute_structure(opcode);
    }
  }

  void execute_structure(unsigned char opcode) {
    switch (opcode) {
      case kMark:
        if (marks_.size() >= limits_.pickle_values) {
          fail(ErrorKind::limit, "the pickle in the file has over {} open marks.\n{}",
               with_thousands(limits_.pickle_values), limits::how_to_raise("pickle_values"));
        }
        marks_.push_back(stack_.size());
        break;
      case kPop:
        // Python's POP takes the mark where nothing lies above it.
        if (!marks_.empty() && stack_.size() == marks_.back()) {
          marks_.pop_back();
        } else {
          pop();
        }
        break;
      case kPopMark:
        pop_mark();
        break;
      case kDup:
        push(top());
        break;
      case kEmptyTuple:
        push(empty_tuple_);
        break;
      case kTuple:
        push_sequence(Kind::tuple, pop_mark());
        break;
      case kTuple1:
      case kTuple2:
      case kTuple3:
        push_short_tuple(static_cast<std::size_t>(opcode - kTuple1) + 1);
        break;
      case kEmptyList:
        push(add(Kind::list));
        break;
      case kList:
        push_sequence(Kind::list, pop_mark());
        break;
      case kEmptySet:
        push(add(Kind::set));
        break;
      case kFrozenSet:
        push_sequence(Kind::set, pop_mark());
        break;
      case kEmptyDict:
        push(add(Kind::dict));
        break;
      case kDict: {
        const auto flat = pop_mark();
        if (flat.size() % 2 != 0) malformed("a dict's items don't come in pairs");
        const ValueId id = add(Kind::dict);
        add_pairs(container(id), flat);
        push(id);
        break;
      }
      case kAppend: {
        const std::array element = {pop()};
        append(element);
        break;
      }
      case kAppends:
      case kAddItems:
        append(pop_mark());
        break;
      case kSetItem: {
        const ValueId item = pop();
        const std::array flat = {pop(), item};
        set_items(flat);
        break;
      }
      case kSetItems:
        set_items(pop_mark());
        break;
      case kPut:
        put(parse_slot(take_line("a memo entry")));
        break;
      case kBinPut:
        put(take_byte("a memo entry"));
        break;
      case kLongBinPut:
        put(take_unsigned(4, "a memo entry"));
        break;
      case kMemoize:
        put(memo_count_);
        break;
      case kGet:
        get(parse_slot(take_line("a memo entry")));
        break;
      case kBinGet:
        get(take_byte("a memo entry"));
        break;
      case kLongBinGet:
        get(take_unsigned(4, "a memo entry"));
        break;
      default:
        execute_call(opcode);
    }
  }

  void push_short_tuple(std::size_t count) {
    std::array<ValueId, 3> elements{};
    for (std::size_t i = count; i > 0; --i) elements.at(i - 1) = pop();
    push_sequence(Kind::tuple, std::span(elements).first(count));
  }

  void execute_call(unsigned char opcode) {
    switch (opcode) {
      case kGlobal: {
        const std::string_view module = take_line("a global's module");
        push_global(module, take_line("a global's name"));
        break;
      }
      case kStackGlobal: {
        const ValueId name = pop();
        const ValueId module = pop();
        if (document_.kind(name) != Kind::string || document_.kind(module) != Kind::string) {
          malformed("the names of a global aren't texts");
        }
        push_global(value(module).text, value(name).text);
        break;
      }
      case kReduce:
      case kNewObj: {
        const ValueId arguments = pop();
        push_object(pop(), arguments);
        break;
      }
      case kNewObjEx: {
        pop();  // the keyword arguments
        const ValueId arguments = pop();
        push_object(pop(), arguments);
        break;
      }
      case kInst: {
        const std::string_view module = take_line("a class's module");
        const std::string_view name = take_line("a class's name");
        push_sequence(Kind::tuple, pop_mark());
        const ValueId arguments = pop();
        push_global(module, name);
        push_object(pop(), arguments);
        break;
      }
      case kObj: {
        const auto above = pop_mark();
        if (above.empty()) malformed("an object has no class");
        const ValueId callable = above.front();
        push_sequence(Kind::tuple, above.subspan(1));
        push_object(callable, pop());
        break;
      }
      case kBuild:
        build();
        break;
      case kBinPersId: {
        const ValueId of = pop();
        const ValueId id = add(Kind::persistent_id);
        value(id).first = of;
        push(id);
        break;
      }
      case kPersId: {
        push_text(Kind::string, take_line("a reference"));
        const ValueId of = pop();
        const ValueId id = add(Kind::persistent_id);
        value(id).first = of;
        push(id);
        break;
      }
      case kExt1:
      case kExt2:
      case kExt4:
        malformed("it uses Python's extension registry, which no checkpoint does");
      case kNextBuffer:
      case kReadOnlyBuffer:
        malformed("it refers to buffers outside the pickle, which no file can hold");
      default:
        malformed(fmt::format("there is no opcode {:#04x}", opcode));
    }
  }

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

Document Document::parse(std::vector<std::byte> bytes, const Context& context) {
  Document document;
  ByteReader reader(document.bytes_, std::move(bytes), context);
  Machine(document, reader, context).run();
  return document;
}

Document Document::parse(const Input& input, std::uint64_t offset, const Context& context) {
  Document document;
  ByteReader reader(document.bytes_, input, offset, context);
  Machine(document, reader, context).run();
  return document;
}

Document Document::parse_as_far_as_possible(const Input& input, std::uint64_t offset,
                                            const Context& context) {
  Document document;
  ByteReader reader(document.bytes_, input, offset, context);
  Machine(document, reader, context).run_as_far_as_possible();
  return document;
}

}  // namespace aether2onnx::pickle
