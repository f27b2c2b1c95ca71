/// @file
/// The machine that reads a pickle: its stack, its memo and the values that it makes. Private to
/// this folder.
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

/// Executes the opcodes of a pickle as data: the stack holds indices of values in a Document.
class Machine {
 public:
  Machine(Document& document, ByteReader& reader, const Context& context);

  /// Throws Error(malformed), with the byte, or Error(limit).
  void run();
  /// Keeps the values before the first error, the error as Document::problem(), and irregularities.
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

  // Notes a place that no pickler writes, or refuses the place.
  template <typename... Args>
  void irregular(const Fault& fault, fmt::format_string<Args...> what, Args&&... args) {
    note_irregular(fault, fmt::format(what, std::forward<Args>(args)...));
  }
  void note_irregular(Fault fault, std::string what);

  // `subject` is the limit's name.
  [[noreturn]] void beyond_limit(const char* subject, std::uint64_t most, const char* what) const;

  // --- reading ---

  std::span<const std::byte> take(std::uint64_t count, const char* what);
  unsigned char take_byte(const char* what) {
    return std::to_integer<unsigned char>(take(1, what).front());
  }
  // A little-endian number of `size` bytes, up to 8.
  std::uint64_t take_unsigned(std::size_t size, const char* what);
  // Sizes of 4 bytes are signed in some opcodes.
  std::uint64_t take_signed_size(const char* what);
  std::string_view take_text(std::uint64_t size, const char* what);
  // Returns the text before the next newline, and takes the newline too.
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
  // Counts the places in all containers. One or two bytes put a value into another container.
  void hold(std::size_t count);

  void push_integer(std::int64_t number);
  void push_real(double number);
  void push_text(Kind kind, std::string_view text);
  // `old`: by an opcode of Python 2.
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
  // The lowest index that pop() may take. The values above the last mark are the arguments of a
  // later opcode. Python keeps them on a separate stack, so pop() must not reach below the mark.
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  ValueId pop();
  ValueId top() const;
  void push_mark();
  // Removes the last mark and returns the values above it. They are valid until the next call.
  std::span<const ValueId> pop_mark();
  // The opcode POP.
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

  // Python reads the value now. It must not change any more, nor must the lists, sets, dicts and
  // objects in it.
  void use(ValueId value);
  // Python reads the state now. The state itself must not change any more, nor, if the state is a
  // tuple, the containers in the tuple. Values within them may still change.
  void use_state(ValueId state);
  // Whether Python can use the value as a key of a dict or element of a set.
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
  bool popped_ = false;          // by the opcode before
  std::uint64_t frame_end_ = 0;  // of the last frame
  std::size_t held_ = 0;         // in all containers
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
