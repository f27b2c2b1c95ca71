/// @file
/// The machine that reads the opcodes of a pickle, with the machine's stack and memo. Private to
/// this folder.
///
/// An irregularity is something in a pickle that no pickler (program that writes pickles) writes,
/// for example a number with leading zeros. Programs may read an irregular pickle differently.
///
/// An object is the record of a call, because the machine never executes calls. Where Python would
/// read a value, for example as the arguments of a call, the machine marks the value as used. A
/// later change of a used value is an irregularity.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "formats/pickle/byte_reader.h"
#include "formats/pickle/pickle.h"

namespace aether2onnx::pickle {

/// Reads the opcodes of a pickle as data. Each value of the pickle becomes a record in a Document,
/// and the stack contains the indices of these records.
class Machine {
 public:
  Machine(Document& document, ByteReader& reader, const Context& context);

  /// Reads the whole pickle. Throws Error(malformed) with the opcode's offset if the pickle is
  /// damaged or has an irregularity. Throws Error(limit) if the pickle exceeds one of the Limits.
  void run();
  /// Reads the pickle up to the first error. An irregularity is no error here. Keeps the
  /// irregularities and the values before the error. Sets Document::problem() to the error's
  /// message.
  void run_as_far_as_possible();

 private:
  using Value = Document::Value;

  // --- errors ---

  template <typename... Args>
  [[noreturn]] void malformed(const Fault& fault, fmt::format_string<Args...> what,
                              Args&&... args) const {
    refuse(fault, fmt::format(what, std::forward<Args>(args)...));
  }
  [[noreturn]] void refuse(Fault fault, const std::string& what) const;

  // Reports something that no pickler writes. During run(), throws Error. During
  // run_as_far_as_possible(), adds an Irregularity to the Document.
  template <typename... Args>
  void irregular(const Fault& fault, fmt::format_string<Args...> what, Args&&... args) {
    note_irregular(fault, fmt::format(what, std::forward<Args>(args)...));
  }
  void note_irregular(Fault fault, std::string what);

  // Throws Error(limit). `subject` is the limit's name in Limits, `most` is the limit, and `what`
  // names the things that are too many, for example "open marks".
  [[noreturn]] void beyond_limit(const char* subject, std::uint64_t most, const char* what) const;

  // --- reading ---

  std::span<const std::byte> take(std::uint64_t count, const char* what);
  unsigned char take_byte(const char* what) {
    return std::to_integer<unsigned char>(take(1, what).front());
  }
  // Reads a little-endian number of `size` bytes, up to 8.
  std::uint64_t take_unsigned(std::size_t size, const char* what);
  // Reads a size that is a signed number of 4 bytes. Throws if the size is negative.
  std::uint64_t take_signed_size(const char* what);
  std::string_view take_text(std::uint64_t size, const char* what);
  // Returns the text before the next newline and moves behind the newline. Throws if no newline
  // follows.
  std::string_view take_line(const char* what);
  void begin_frame();
  // Throws if a frame (the bytes that FRAME announces) ends within the opcode that was just read.
  void check_frame() const;
  void take_protocol();
  void check_pop(unsigned char opcode);

  // --- values ---

  Value& value(ValueId id) { return document_.values_[id]; }
  ValueId add(Kind kind);
  Document::Container& container(ValueId id);
  // Adds `count` to `held_`, the total number of elements in all containers together. Throws
  // Error(limit) above Limits::pickle_items. The limit Limits::pickle_values is not enough, because
  // this limit counts each value only once. A pickle can add one value to many containers, with one
  // or two bytes for each container.
  void hold(std::size_t count);

  void push_integer(std::int64_t number);
  void push_real(double number);
  void push_text(Kind kind, std::string_view text);
  // Pushes a string. `old` is true if an opcode of Python 2 makes the string. The bytes of an old
  // string may have an encoding other than UTF-8.
  void push_string(std::string_view text, bool old);
  void push_global(std::string_view module, std::string_view name);
  void push_sequence(Kind kind, std::span<const ValueId> elements);
  void push_short_tuple(std::size_t count);
  void push_object(CallForm form, ValueId callable, ValueId arguments);
  void push_persistent_id();

  // --- opcodes with a number or a text as argument ---

  [[noreturn]] void not_a_number(std::string_view text) const;
  std::int64_t parse_decimal(std::string_view text);
  std::uint64_t parse_slot(std::string_view text);
  void push_int_line(std::string_view text);
  void push_long_line(std::string_view text);
  void push_float_line(std::string_view text);
  void push_long(std::uint64_t size);
  void push_binary_float();
  void push_string_line(std::string_view text);
  void push_unicode_line(std::string_view text);

  // --- stack, marks, memo ---

  void push(ValueId id);
  // Returns the lowest index of `stack_` at which pop() may take a value. The values above a MARK
  // are the arguments of a later opcode. Python keeps these values on a separate stack, so pop()
  // must not take a value below the last MARK.
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  ValueId pop();
  ValueId top() const;
  void push_mark();
  // Removes the last MARK and returns the values above this MARK. The span is valid until the next
  // call of pop_mark().
  std::span<const ValueId> pop_mark();
  // Executes the opcode POP.
  void drop();
  void put(std::uint64_t slot);
  void get(std::uint64_t slot);

  // --- operations on containers ---

  ValueId top_container(Kind expected);
  void append(std::span<const ValueId> elements, Kind to);
  void add_pairs(ValueId dict, std::span<const ValueId> flat);
  void check_pairs(std::span<const ValueId> flat) const;
  void set_items(std::span<const ValueId> flat);
  void build();

  // --- checks of values ---

  // Marks a value as used. Called where Python would read the value, for example as the arguments
  // of a call. Also marks the lists, sets, dicts and objects in the value. A later change of a used
  // value is an irregularity: Python reads the value before the change, but the Document keeps only
  // the changed value.
  void use(ValueId value);
  // Marks the state of an object as used. Called for BUILD, where Python would read the state. If
  // the state is a tuple, also marks the lists, sets and dicts in the tuple. Does not mark the
  // values in these lists, sets and dicts, because some values may be objects that later opcodes
  // still complete.
  void use_state(ValueId state);
  // Reports an irregularity if Python cannot use `key` as a key of a dict or an element of a set.
  void check_key(ValueId key, const char* of);
  bool has_few_values(ValueId tuple);
  void check_repeated_keys();
  void check_depth();

  // --- opcodes ---

  void execute(unsigned char opcode);
  void execute_structure(unsigned char opcode);
  void execute_call(unsigned char opcode);
  [[noreturn]] void refuse_opcode(unsigned char opcode) const;

  const Limits& limits_;
  Document& document_;
  ByteReader& reader_;
  bool strict_ = true;
  std::uint64_t opcode_at_ = 0;
  bool popped_ = false;          // whether the previous opcode was POP or POP_MARK
  std::uint64_t frame_end_ = 0;  // the offset of the end of the last frame
  std::size_t held_ = 0;         // the number of elements in all containers
  std::vector<ValueId> stack_;
  std::vector<std::size_t> marks_;
  std::vector<ValueId> above_mark_;
  std::vector<ValueId> pending_;
  std::vector<ValueId> memo_;
  std::size_t memo_count_ = 0;
  std::size_t chosen_keys_ = 0;
  ValueId none_ = 0;
  ValueId true_ = 0;
  ValueId false_ = 0;
  ValueId empty_tuple_ = 0;
};

}  // namespace aether2onnx::pickle
