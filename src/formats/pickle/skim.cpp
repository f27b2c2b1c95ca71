// Reads the opcodes of a file that may be a pickle, as Python would. Source: Modules/_pickle.c and
// Lib/pickle.py of CPython 2.7 to 3.13.

#include "formats/pickle/skim.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "formats/pickle/opcodes.h"

namespace aether2onnx::pickle {

namespace {

// The largest number of opcodes that skim() reads. This number also limits the marks and the memo
// entries in memory. A file with more opcodes counts as a pickle (Skim::undecided), because no file
// of another format begins with so many opcodes by chance.
constexpr std::uint64_t kMostOpcodes = 1'000'000;
// If a pickle has more tuples, lists, sets and dicts than this number, skim() sets Skim::undecided.
// Then the file counts as a pickle, even if Python stops with an error before the pickle's end: the
// containers may be nested so deeply that Python fails to free them.
constexpr std::uint64_t kMostContainers = 1000;
// A file of another format may begin with a short pickle by chance. skim() does not report such a
// file as a pickle. If the pickle's result is a plain value, such as a number, "short" means at
// most kFewOpcodes opcodes before STOP. If the result is a container, "short" means at most
// kFewOpcodesOfContainer opcodes. Example: a safetensors file begins with the length of the header.
// The first bytes of this length can be "}." (the opcodes EMPTY_DICT and STOP) or "(t." (MARK,
// TUPLE and STOP).
constexpr std::uint64_t kFewOpcodes = 16;
constexpr std::uint64_t kFewOpcodesOfContainer = 3;
// The number of bytes of the longest line that skim() accepts as the name of a module.
constexpr std::size_t kLongestLine = 4096;

// The kinds of values on the pickle's stack that skim() distinguishes. Python's next step, or the
// result of skim(), depends on the kind of a value.
enum class Tag : std::uint8_t { none, plain, text, magic_number, container };

// Reads the bytes of a file through a small buffer.
class Window {
 public:
  Window(const Input& input, const Context& context) : input_(input), context_(context) {}

  std::uint64_t left() const { return input_.size() - position_; }
  std::uint64_t position() const { return position_; }
  void skip(std::uint64_t count) { position_ += count; }

  // Returns the next byte. Requires left() > 0.
  unsigned char next() {
    if (position_ < start_ || position_ - start_ >= buffer_.size()) {
      context_.check_cancelled();
      constexpr std::uint64_t piece = 4096;
      start_ = position_;
      buffer_.resize(static_cast<std::size_t>(std::min(piece, left())));
      input_.read(start_, buffer_);
    }
    return std::to_integer<unsigned char>(buffer_[static_cast<std::size_t>(position_++ - start_)]);
  }

 private:
  const Input& input_;
  const Context& context_;
  std::uint64_t position_ = 0;
  std::uint64_t start_ = 0;
  std::vector<std::byte> buffer_;
};

// Returns whether `text` has only characters that Python accepts in the text of a number. Python
// stops at a number with any other character.
bool may_be_number(std::string_view text) {
  constexpr std::string_view characters = "0123456789abcdefABCDEFxXoO+-._nNiItTyYlL \t\r\v\f";
  return !text.empty() && text.find_first_not_of(characters) == std::string_view::npos;
}

// Returns whether `text` can be the name of a Python module. A file of another format may have an
// import opcode by chance. The bytes behind this opcode are then not the name of a module: the
// header of a safetensors file has quotes, and tensors have zeros and bytes that are not UTF-8.
bool may_be_module(std::string_view text) {
  if (text.empty() || text.size() > kLongestLine) return false;
  return std::none_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f || byte == '"' || byte >= 0xf5 || byte == 0xc0 ||
           byte == 0xc1;
  });
}

class Skimmer {
 public:
  Skimmer(const Input& input, const Context& context) : window_(input, context) {}

  Skim run() {
    for (opcodes_ = 0; window_.left() > 0; ++opcodes_) {
      if (opcodes_ >= kMostOpcodes) {
        result_.undecided = true;
        break;
      }
      const unsigned char opcode = window_.next();
      if (opcode == kStop) {
        result_.loads = has(1) && is_no_chance(stack_.back());
        break;
      }
      if (!step(opcode) || result_.is_pickle()) break;
    }
    if (containers_ > kMostContainers) result_.undecided = true;
    result_.bytes = window_.position();
    return result_;
  }

 private:
  // Returns whether the file is a pickle, and not a file of another format that begins with a short
  // pickle by chance. `result` is the kind of the pickle's result.
  bool is_no_chance(Tag result) const {
    return opcodes_ > kFewOpcodes || result == Tag::magic_number ||
           (result == Tag::container && opcodes_ > kFewOpcodesOfContainer);
  }

  // --- Functions that read arguments of opcodes; nullopt if Python would stop with an error. ---

  std::optional<std::uint64_t> number(std::size_t bytes) {
    if (window_.left() < bytes) return std::nullopt;
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) value |= std::uint64_t{window_.next()} << (8 * i);
    return value;
  }

  // Reads a length, which is stored in `bytes` bytes, and skips as many bytes as the length states.
  std::optional<std::uint64_t> skip_counted(std::size_t bytes) {
    const auto length = number(bytes);
    if (!length || *length > window_.left()) return std::nullopt;
    window_.skip(*length);
    return length;
  }

  // Returns the text before the next newline, but at most kLongestLine + 1 bytes of this text.
  std::optional<std::string> line() {
    std::string text;
    while (window_.left() > 0) {
      const auto c = static_cast<char>(window_.next());
      if (c == '\n') return text;
      if (text.size() <= kLongestLine) text += c;
    }
    return std::nullopt;
  }

  // Reads a line with a number. CPython reads the line as a C string, which ends at a zero byte.
  std::optional<std::string> number_line() {
    auto text = line();
    if (text) text->resize(std::min(text->size(), text->find('\0')));
    return text;
  }

  std::optional<std::uint64_t> slot_line() {
    const auto text = number_line();
    if (!text) return std::nullopt;
    std::uint64_t slot = 0;
    bool any = false;
    for (const char c : *text) {
      if (c >= '0' && c <= '9') {
        slot = slot * 10 + static_cast<std::uint64_t>(c - '0');
        any = true;
      } else if (c != ' ' && c != '\t' && c != '\r' && c != '+' && c != '_') {
        return std::nullopt;
      }
    }
    return any ? std::optional(slot) : std::nullopt;
  }

  // --- the stack ---

  std::size_t fence() const { return marks_.empty() ? 0 : marks_.back(); }
  bool has(std::size_t count) const { return stack_.size() - fence() >= count; }

  bool push(Tag tag) {
    if (tag == Tag::container) ++containers_;
    stack_.push_back(tag);
    return true;
  }

  // Replaces the last `count` values of the stack by one value. Returns false if the stack has
  // fewer values.
  bool replace(std::size_t count, Tag tag) {
    if (!has(count)) return false;
    stack_.resize(stack_.size() - count);
    return push(tag);
  }

  bool drop(std::size_t count) {
    if (!has(count)) return false;
    stack_.resize(stack_.size() - count);
    return true;
  }

  // Removes the last MARK and the values above this MARK. Returns false if there is no MARK.
  bool drop_to_mark() {
    if (marks_.empty()) return false;
    stack_.resize(marks_.back());
    marks_.pop_back();
    return true;
  }

  bool put(std::optional<std::uint64_t> slot) {
    if (!slot || !has(1)) return false;
    memo_[*slot] = stack_.back();
    return true;
  }

  bool get(std::optional<std::uint64_t> slot) {
    const auto known = slot ? memo_.find(*slot) : memo_.end();
    return known != memo_.end() && push(known->second);
  }

  // --- The opcodes. Returns false if Python would stop at the opcode with an error. ---

  bool step(unsigned char opcode) {
    switch (opcode) {
      case kProto: {
        const auto protocol = number(1);
        return protocol && *protocol <= kHighestProtocol;
      }
      case kFrame: {
        const auto length = number(8);
        if (!length || *length > window_.left()) return false;
        result_.undecided = true;
        return true;
      }
      case kNone:
        return push(Tag::none);
      case kNewTrue:
      case kNewFalse:
        return push(Tag::plain);
      case kBinInt:
        return number(4) && push(Tag::plain);
      case kBinInt1:
        return number(1) && push(Tag::plain);
      case kBinInt2:
        return number(2) && push(Tag::plain);
      case kBinFloat:
        return number(8) && push(Tag::plain);
      case kLong1:
        return push_long(number(1));
      case kLong4:
        return push_long(number(4));
      case kInt:
      case kLong:
      case kFloat:
        return push_number_line();
      case kString: {
        const auto text = line();
        return text && (text->starts_with('\'') || text->starts_with('"')) && push(Tag::text);
      }
      case kUnicode:
        return line() && push(Tag::text);
      case kShortBinString:
      case kShortBinUnicode:
        return skip_counted(1) && push(Tag::text);
      case kBinString:
      case kBinUnicode:
        return skip_counted(4) && push(Tag::text);
      case kBinUnicode8:
        return skip_counted(8) && push(Tag::text);
      case kShortBinBytes:
        return skip_counted(1) && push(Tag::plain);
      case kBinBytes:
        return skip_counted(4) && push(Tag::plain);
      case kBinBytes8:
        return skip_counted(8) && push(Tag::plain);
      case kByteArray8:
        return skip_counted(8) && push(Tag::container);
      default:
        return step_of_structure(opcode);
    }
  }

  // Reads an integer of `length` bytes. The integer may be the magic number that is at the start of
  // PyTorch's older files (files that are no zip archives).
  bool push_long(std::optional<std::uint64_t> length) {
    if (!length || *length > window_.left()) return false;
    constexpr std::string_view magic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
    bool is_magic = *length >= magic.size();
    for (std::uint64_t i = 0; i < *length; ++i) {
      const auto byte = static_cast<char>(window_.next());
      is_magic = is_magic && byte == (i < magic.size() ? magic[static_cast<std::size_t>(i)] : 0);
    }
    return push(is_magic ? Tag::magic_number : Tag::plain);
  }

  bool push_number_line() {
    const auto text = number_line();
    constexpr std::size_t most_digits = 18;  // longer numbers may be PyTorch's magic number
    return text && may_be_number(*text) &&
           push(text->size() > most_digits ? Tag::magic_number : Tag::plain);
  }

  bool step_of_structure(unsigned char opcode) {
    switch (opcode) {
      case kMark:
        marks_.push_back(stack_.size());
        return true;
      case kPop:
        return has(1) ? drop(1) : drop_to_mark();
      case kPopMark:
        return drop_to_mark();
      case kDup:
        return has(1) && push(stack_.back());
      case kEmptyTuple:
      case kEmptyList:
      case kEmptyDict:
      case kEmptySet:
        return push(Tag::container);
      case kTuple:
      case kList:
      case kDict:
      case kFrozenSet:
        return drop_to_mark() && push(Tag::container);
      case kTuple1:
      case kTuple2:
      case kTuple3:
        return replace(static_cast<std::size_t>(opcode - kTuple1) + 1, Tag::container);
      case kAppend:
        return drop(1) && is_container_on_top();
      case kSetItem:
        return drop(2) && is_container_on_top();
      case kAppends:
      case kAddItems:
      case kSetItems:
        return drop_to_mark() && has(1);
      case kPut:
        return put(slot_line());
      case kBinPut:
        return put(number(1));
      case kLongBinPut:
        return put(number(4));
      case kMemoize:
        return put(memo_.size());
      case kGet:
        return get(slot_line());
      case kBinGet:
        return get(number(1));
      case kLongBinGet:
        return get(number(4));
      case kReadOnlyBuffer:
        return has(1);
      default:
        return step_of_call(opcode);
    }
  }

  bool is_container_on_top() const { return has(1) && stack_.back() == Tag::container; }

  // Executes BUILD and the opcodes that import a name. Returns false for all other opcodes, because
  // Python stops at each of them with an error. A call is an error here: a pickle can call only an
  // imported name, and skim() has already ended at the first import. EXT1, EXT2 and EXT4 import a
  // name by its number in Python's extension registry, which is empty by default.
  bool step_of_call(unsigned char opcode) {
    switch (opcode) {
      case kGlobal:
        return import_lines();
      case kInst:
        return !marks_.empty() && import_lines();
      case kStackGlobal: {
        result_.imports =
            has(2) && stack_.back() == Tag::text && stack_[stack_.size() - 2] == Tag::text;
        return result_.imports;
      }
      case kBuild: {
        const bool may_succeed =
            has(2) && (stack_.back() == Tag::none || stack_.back() == Tag::container);
        return may_succeed && drop(1);
      }
      default:
        return false;
    }
  }

  bool import_lines() {
    const auto module = line();
    if (!module || !may_be_module(*module)) return false;
    result_.imports = line().has_value();
    return result_.imports;
  }

  Window window_;
  Skim result_;
  std::uint64_t opcodes_ = 0;
  std::uint64_t containers_ = 0;
  std::vector<Tag> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, Tag> memo_;
};

}  // namespace

Skim skim(const Input& input, const Context& context) { return Skimmer(input, context).run(); }

}  // namespace aether2onnx::pickle
