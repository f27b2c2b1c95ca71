/// @file
/// Reads pickles as data: returns records of the values in a pickle and makes no Python objects.
///
/// The reader (class Machine) supports the protocols 0 to 5. A global becomes a record of a module
/// and a name. A call becomes an object: a record of the callable and the arguments. The reader
/// executes and imports nothing. The reader knows nothing about tensors.
///
/// The reader accepts only content that picklers (programs that write pickles) of Python 2 and 3
/// write. Any other content is an irregularity, because programs read such content differently.
/// Examples of irregularities are a number with leading zeros, an escape in a string, and a list
/// that the pickle changes after a call has used the list.
///
/// All values are in one array, and a value refers to another value by the index in this array. A
/// repeated reference copies no value, and no function of the reader recurses. The work for shared,
/// nested or cyclic values therefore grows only with the length of the pickle. Source of the
/// opcodes: Python's pickletools.
#pragma once

#include <aether2onnx/aether2onnx.h>

#include <bit>
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
  integer,      ///< An integer that fits 64 bits.
  big_integer,  ///< A longer integer. text() has its digits or bytes.
  real,
  string,
  bytes,
  tuple,
  list,
  set,
  dict,
  global,         ///< An imported name: a module and a name in the module.
  object,         ///< The record of a call. CallForm lists the opcodes.
  persistent_id,  ///< A reference to an object outside the pickle, a storage for example.
};

/// The opcode by which a pickle makes an object.
enum class CallForm : std::uint8_t { reduce, newobj, newobj_ex, obj, inst };

/// Content of a pickle that no pickler of Python writes. The pickle may therefore be forged.
struct Irregularity {
  std::uint64_t offset = 0;  ///< Offset of the opcode in the file or zip entry with the pickle.
  std::string code;
  std::string text;  ///< For example "a dict has the key 'params' twice".
};

/// A parsed pickle: the records of all its values.
class Document {
 public:
  Document(Document&&) noexcept = default;
  Document& operator=(Document&&) noexcept = default;
  Document(const Document&) = delete;  // because texts in `values_` point into `bytes_`
  Document& operator=(const Document&) = delete;
  ~Document() = default;

  /// Parses the first pickle in `bytes` and ignores the bytes after the opcode STOP. Throws
  /// Error(malformed) with the byte offset if the pickle is damaged or has an irregularity. Throws
  /// Error(limit) if the pickle exceeds one of the Limits.
  static Document parse(std::vector<std::byte> bytes, const Context& context);
  /// Parses the pickle that begins at byte `offset` of `input`. Requires offset <= input.size().
  /// Reads `input` in pieces and stops after the piece that contains STOP. A piece has at most 256
  /// KiB, or more if a single argument of an opcode is longer.
  static Document parse(const Input& input, std::uint64_t offset, const Context& context);
  /// Parses a pickle like parse(), but does not throw if the pickle has an error. Stops at the
  /// error and keeps the values before the error; then root() is None, and problem() returns the
  /// message. Continues after an irregularity and keeps the first 20 irregularities. Throws only
  /// Error(cancelled) and the errors of Input::read().
  static Document parse_as_far_as_possible(const Input& input, std::uint64_t offset,
                                           const Context& context);

  /// The reason why the pickle was not read to its end; "" if the whole pickle was read.
  const std::string& problem() const { return problem_; }
  /// If the problem is an exceeded limit: the limit's name, for example "pickle_bytes". Else "".
  const std::string& exceeded_limit() const { return exceeded_limit_; }
  const std::vector<Irregularity>& irregularities() const { return irregularities_; }

  /// The protocol that the pickle states; 0 if the pickle states no protocol.
  int protocol() const { return protocol_; }

  ValueId root() const { return root_; }
  /// The length of the pickle in bytes, including the opcode STOP. If problem() is not "": the
  /// number of bytes before the opcode with the problem.
  std::size_t consumed() const { return consumed_; }

  Kind kind(ValueId value) const { return values_[value].kind; }
  bool boolean(ValueId value) const { return values_[value].number != 0; }
  std::int64_t integer(ValueId value) const { return values_[value].number; }
  double real(ValueId value) const { return std::bit_cast<double>(values_[value].number); }
  /// The offset of the opcode that made the value, in the file or zip entry with the pickle. None,
  /// True, False and the empty tuple have one record each, with the offset of the pickle.
  std::uint64_t offset(ValueId value) const { return origin_ + values_[value].at; }
  /// Returns the content of a string or of bytes, which may not be valid UTF-8. For an integer of
  /// over 64 bits, returns the decimal digits or the bytes that the pickle has, without bytes that
  /// only repeat the sign.
  std::string_view text(ValueId value) const { return values_[value].text; }
  /// Returns whether the value is a bytearray (Kind::bytes). Python cannot use a bytearray as a key
  /// of a dict, because a program can change a bytearray.
  bool is_bytearray(ValueId value) const {
    return kind(value) == Kind::bytes && values_[value].number != 0;
  }
  /// The elements of a tuple, list or set. For an object: the elements that the pickle appends to
  /// the object.
  std::span<const ValueId> elements(ValueId value) const;
  /// The items (key, value) of a dict. For an object: the items that the pickle sets in the object.
  /// The items have the order of the pickle. If the pickle sets a key twice, both items are kept.
  std::span<const std::pair<ValueId, ValueId>> pairs(ValueId value) const;
  /// The module and the name of a global.
  std::string_view module(ValueId value) const { return values_[value].text; }
  std::string_view name(ValueId value) const { return values_[value].second_text; }
  /// Returns whether `value` is the global `module.name`.
  bool is_global(ValueId value, std::string_view module, std::string_view name) const;
  /// For an object: the opcode that made the object, the callable, and the elements of the tuple of
  /// arguments.
  CallForm form(ValueId value) const { return values_[value].form; }
  ValueId callable(ValueId value) const { return values_[value].first; }
  std::span<const ValueId> arguments(ValueId value) const;
  /// For an object: the state that the opcode BUILD sets; nullopt if the object has no state.
  std::optional<ValueId> state(ValueId value) const;
  /// For a persistent id: the value that identifies the object outside the pickle. If PyTorch wrote
  /// the pickle and the outside object is a storage, this value is a tuple.
  ValueId persistent(ValueId value) const { return values_[value].first; }

  std::size_t value_count() const { return values_.size(); }

 private:
  friend class Machine;
  Document() = default;

  static constexpr ValueId kNoValue = ~ValueId{0};
  static constexpr std::uint32_t kNoContainer = ~std::uint32_t{0};

  struct Value {
    Kind kind = Kind::none;
    CallForm form = CallForm::reduce;
    bool used = false;     // whether Python has read the value, see Machine::use()
    std::uint32_t at = 0;  // the opcode's offset from the pickle's first byte
    std::uint32_t container = kNoContainer;
    ValueId first = kNoValue;   // an object's callable; a persistent id's id
    ValueId second = kNoValue;  // an object's arguments
    ValueId state = kNoValue;
    std::int64_t number = 0;  // of a real: the bits of the double; 1 for a frozenset
    std::string_view text;
    std::string_view second_text;
  };
  struct Container {
    std::vector<ValueId> elements;
    std::vector<std::pair<ValueId, ValueId>> pairs;
  };

  std::vector<std::vector<std::byte>> bytes_;  // texts of values point into these bytes …
  std::deque<std::string> unescaped_;  // … or to these texts, if the pickle's text has escapes
  std::vector<Value> values_;
  std::vector<Container> containers_;
  ValueId root_ = 0;
  int protocol_ = 0;
  std::size_t consumed_ = 0;
  std::uint64_t origin_ = 0;
  std::vector<Irregularity> irregularities_;
  std::string problem_;
  std::string exceeded_limit_;
};

/// Returns whether the value is a number, a text, bytes, a global, True, False or None.
bool is_scalar(Kind kind);

/// Returns whether this reader accepts a frozenset with the elements `set` as a key of a dict or an
/// element of a set. The frozenset may have at most limits::kSetKeyValues elements. All elements
/// must be scalars, because Python compares nested sets slowly.
bool may_be_set_key(const Document& document, std::span<const ValueId> set);

/// Returns whether the integers among the keys of a dict, or among the elements of a set
/// (`in_set`), would make Python slow: Python needs many steps for each integer to find a free slot
/// of the hash table. Computes the search as CPython 3.7 and later do. Sources:
/// Objects/dictobject.c and Objects/setobject.c.
bool are_slow_keys(const Document& document, std::span<const ValueId> keys, bool in_set);

/// Returns whether the author of a pickle can choose the hash of `key`, a key of a dict or an
/// element of a set. With chosen hashes, Python may compare each key with all other keys. Python
/// itself chooses the hashes of texts, bytes and globals. Returns false for objects, because the
/// class of an object determines the object's hash.
bool has_chosen_hash(const Document& document, ValueId key);

/// Describes a value for messages: "a list", "the number 7", "torch.FloatStorage".
std::string describe(const Document& document, ValueId value);

}  // namespace aether2onnx::pickle
