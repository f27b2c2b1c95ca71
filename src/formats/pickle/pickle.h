/// @file
/// Stage "pickle": the values a pickle describes, without making any of them.
///
/// Owns the pickle machine. It reads protocols 0 to 5 as data: a global becomes its two names, a
/// call becomes a record of what would have been called with what. Nothing is executed or imported,
/// so a pickle can't do anything here but be read or refused. Knows nothing of tensors.
///
/// Values live in one arena and refer to each other by index; nothing is copied when the pickle
/// refers to a value again, and nothing recurses, so that neither a shared nor a deeply nested nor
/// a cyclic structure costs more than its bytes. Source of the opcodes: Python's pickletools.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace aether2onnx::pickle {

using ValueId = std::uint32_t;

enum class Kind : std::uint8_t {
  none,
  boolean,
  integer,      ///< Fits 64 bits.
  big_integer,  ///< Doesn't; its value is not kept.
  real,
  string,
  bytes,
  tuple,
  list,
  set,
  dict,
  global,         ///< A name, "module" and "name" in it.
  object,         ///< What a call (REDUCE, NEWOBJ, INST, OBJ) would have made.
  persistent_id,  ///< A reference to something outside the pickle.
};

/// A parsed pickle.
class Document {
 public:
  Document(Document&&) noexcept = default;
  Document& operator=(Document&&) noexcept = default;
  Document(const Document&) = delete;  // texts point into the pickle's own bytes
  Document& operator=(const Document&) = delete;
  ~Document() = default;

  /// Parses the first pickle in `bytes`; what follows its STOP is left alone.
  /// Throws Error(malformed) with the byte offset, or Error(limit).
  static Document parse(std::vector<std::byte> bytes, const Context& context);
  /// The same for the pickle that begins at byte `offset` of `input`, offset <= input.size(). Reads
  /// no further than to the end of the piece that STOP lies in (up to 256 KiB).
  static Document parse(const Input& input, std::uint64_t offset, const Context& context);
  /// As much of it as can be read: where parse() would throw, what came before is kept, with root()
  /// None and the message in problem(). Throws what Input::read() throws.
  static Document parse_as_far_as_possible(const Input& input, std::uint64_t offset,
                                           const Context& context);

  /// Why the pickle wasn't read to its end; "" where it was.
  const std::string& problem() const { return problem_; }
  /// How often a memo entry was given another value, which no pickler does.
  std::size_t memo_overwrites() const { return memo_overwrites_; }

  ValueId root() const { return root_; }
  /// Bytes up to and including STOP; up to the opcode that can't be read where there is a
  /// problem().
  std::size_t consumed() const { return consumed_; }

  Kind kind(ValueId value) const { return values_[value].kind; }
  bool boolean(ValueId value) const { return values_[value].integer != 0; }
  std::int64_t integer(ValueId value) const { return values_[value].integer; }
  double real(ValueId value) const { return values_[value].real; }
  /// Of a string or bytes; not necessarily valid UTF-8.
  std::string_view text(ValueId value) const { return values_[value].text; }
  /// Of a tuple, list or set; of an object what was appended to it.
  std::span<const ValueId> elements(ValueId value) const;
  /// Of a dict; of an object the items that were set on it. In order, a repeated key repeated.
  std::span<const std::pair<ValueId, ValueId>> pairs(ValueId value) const;
  /// Of a global.
  std::string_view module(ValueId value) const { return values_[value].text; }
  std::string_view name(ValueId value) const { return values_[value].second_text; }
  /// Whether `value` is the global `module.name`.
  bool is_global(ValueId value, std::string_view module, std::string_view name) const;
  /// Of an object: what would have been called, and with which arguments (a tuple's elements;
  /// empty where the pickle gave something else).
  ValueId callable(ValueId value) const { return values_[value].first; }
  std::span<const ValueId> arguments(ValueId value) const;
  /// Of an object: the last state set on it by BUILD.
  std::optional<ValueId> state(ValueId value) const;
  /// Of a persistent id: the id itself.
  ValueId persistent(ValueId value) const { return values_[value].first; }

  std::size_t value_count() const { return values_.size(); }

 private:
  friend class Machine;
  Document() = default;

  static constexpr ValueId kNoValue = ~ValueId{0};
  static constexpr std::uint32_t kNoContainer = ~std::uint32_t{0};

  struct Value {
    Kind kind = Kind::none;
    std::uint32_t container = kNoContainer;
    ValueId first = kNoValue;   // callable; persistent id
    ValueId second = kNoValue;  // arguments
    ValueId state = kNoValue;
    std::int64_t integer = 0;
    double real = 0;
    std::string_view text;
    std::string_view second_text;
  };
  struct Container {
    std::vector<ValueId> elements;
    std::vector<std::pair<ValueId, ValueId>> pairs;
  };

  std::vector<std::vector<std::byte>> bytes_;  // what the views point into
  std::deque<std::string> unescaped_;          // texts that don't stand in the pickle as they are
  std::vector<Value> values_;
  std::vector<Container> containers_;
  ValueId root_ = 0;
  std::size_t consumed_ = 0;
  std::size_t memo_overwrites_ = 0;
  std::string problem_;
};

/// "a list", "the number 7", "torch.FloatStorage": for messages.
std::string describe(const Document& document, ValueId value);

}  // namespace aether2onnx::pickle
