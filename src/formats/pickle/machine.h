/// @file
/// The machine that reads a pickle, with its stack, its memo and the values that the pickle
/// describes. Private to this folder.
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

/// Reads the opcodes of a pickle as data: the stack holds indices of values in a Document.
class Machine {
 public:
  Machine(Document& document, ByteReader& reader, const Context& context);

  /// Reads the pickle. Throws Error(malformed) with the offset of the byte, or Error(limit).
  void run();
  /// Reads the pickle up to the first error. Keeps the values before the error and the
  /// irregularities. Document::problem() is the error's message.
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

  // Reports something that no pickler writes: throws in run(), else adds an Irregularity.
  template <typename... Args>
  void irregular(const Fault& fault, fmt::format_string<Args...> what, Args&&... args) {
    note_irregular(fault, fmt::format(what, std::forward<Args>(args)...));
  }
  void note_irregular(Fault fault, std::string what);

  // Throws Error(limit). `subject` is the limit's name.
  [[noreturn]] void beyond_limit(const char* subject, std::uint64_t most, const char* what) const;

  // --- reading ---

  std::span<const std::byte> take(std::uint64_t count, const char* what);
  unsigned char take_byte(const char* what) {
    return std::to_integer<unsigned char>(take(1, what).front());
  }
  // Reads a little-endian number of `size` bytes, up to 8.
  std::uint64_t take_unsigned(std::size_t size, const char* what);
  // Reads a size of 4 bytes, which is signed in some opcodes. Throws if the size is negative.
  std::uint64_t take_signed_size(const char* what);
  std::string_view take_text(std::uint64_t size, const char* what);
  // Returns the text before the next newline and moves behind the newline.
  std::string_view take_line(const char* what);
  void begin_frame();
  // Throws if a frame ends within the opcode that was just read.
  void check_frame() const;
  void take_protocol();
  void check_pop(unsigned char opcode);

  // --- values ---

  Value& value(ValueId id) { return document_.values_[id]; }
  ValueId add(Kind kind);
  Document::Container& container(ValueId id);
  // Counts the values in all containers and throws at the limit. One or two bytes of a pickle can
  // put a value into a further container.
  void hold(std::size_t count);

  void push_integer(std::int64_t number);
  void push_real(double number);
  void push_text(Kind kind, std::string_view text);
  // `old`: an opcode of Python 2 makes the string.
  void push_string(std::string_view text, bool old);
  void push_global(std::string_view module, std::string_view name);
  void push_sequence(Kind kind, std::span<const ValueId> elements);
  void push_short_tuple(std::size_t count);
  void push_object(CallForm form, ValueId callable, ValueId arguments);
  void push_persistent_id();

  // --- numbers and texts that are written as lines or with any length ---

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
  // Returns the lowest index that pop() may take. The values above the last mark are the arguments
  // of a later opcode. Python keeps these values on a separate stack, so pop() must not reach below
  // the mark.
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  ValueId pop();
  ValueId top() const;
  void push_mark();
  // Removes the last mark and returns the values above the mark. The span is valid until the next
  // call.
  std::span<const ValueId> pop_mark();
  // Executes the opcode POP.
  void drop();
  void put(std::uint64_t slot);
  void get(std::uint64_t slot);

  // --- operations on containers ---

  ValueId top_container(bool takes_items);
  void append(std::span<const ValueId> elements);
  void add_pairs(ValueId dict, std::span<const ValueId> flat);
  void check_pairs(std::span<const ValueId> flat) const;
  void set_items(std::span<const ValueId> flat);
  void build();

  // --- what Python would make of the values ---

  // Marks a value that Python reads now. From now on, the value must not change. The same holds for
  // the lists, sets, dicts and objects in the value.
  void use(ValueId value);
  // Marks an object's state, which Python reads now. From now on, the state must not change. If the
  // state is a tuple, the containers in the tuple must not change either; values in these may.
  void use_state(ValueId state);
  // Reports a value that Python cannot use as a key of a dict or an element of a set.
  void check_key(ValueId key, const char* of);
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
  std::uint64_t frame_end_ = 0;  // the end of the last frame
  std::size_t held_ = 0;         // the number of values in all containers
  std::vector<ValueId> stack_;
  std::vector<std::size_t> marks_;
  std::vector<ValueId> above_mark_;
  std::vector<ValueId> pending_;
  std::vector<ValueId> memo_;
  std::size_t memo_count_ = 0;
  std::size_t tuple_keys_ = 0;
  ValueId none_ = 0;
  ValueId true_ = 0;
  ValueId false_ = 0;
  ValueId empty_tuple_ = 0;
};

}  // namespace aether2onnx::pickle
