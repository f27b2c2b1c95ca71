/// @file
/// Compares the calls in a pickle with the calls that the table of known names (known_names.cpp)
/// allows. Private to this folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/pickle/pickle.h"
#include "formats/torch/known_names.h"

namespace aether2onnx::torch {

/// Compares the calls in a pickle with the calls that PyTorch, numpy and Python write.
class Matcher {
 public:
  explicit Matcher(const pickle::Document& document) : document_(document) {}

  /// Returns whether PyTorch, numpy or Python write a call with the opcode `form` and these
  /// arguments for the names in `row`. `row` is a row of the table of known names (known_names.h).
  bool is_called_as(const Row& row, pickle::CallForm form,
                    std::span<const pickle::ValueId> arguments);

  /// Returns whether numpy may have written the call `object` for an element type that is not in
  /// the table of known names (known_names.h): texts, dates or Python objects.
  bool may_be_honest(pickle::ValueId object);

  /// Returns the value of a numpy number if `object` is a call that makes a numpy number. The
  /// vector has one element, or the real and the imaginary part of a complex number. Integers are
  /// rounded to float64. Returns nullopt for other objects.
  std::optional<std::vector<double>> numpy_number(pickle::ValueId object);

  /// Returns whether the value matches `word`: a word of the table of known names, for example
  /// "count". The comment above the table in known_names.cpp explains all words.
  bool fits(std::string_view word, pickle::ValueId value);

 private:
  bool fit(std::span<const std::string_view> words, std::span<const pickle::ValueId> arguments);
  bool fits_any(std::string_view words, pickle::ValueId value);

  bool is(pickle::Kind kind, pickle::ValueId value) const { return document_.kind(value) == kind; }
  bool is_count(pickle::ValueId value) const;
  bool is_between(pickle::ValueId value, std::int64_t least, std::int64_t most) const;
  bool is_offset(pickle::ValueId value) const;
  bool is_text(pickle::ValueId value, std::string_view text) const;
  // Returns whether the value is a single number, text, global, …, and contains no other values.
  bool is_plain(pickle::ValueId value) const;
  bool is_call_of(pickle::ValueId value, std::string_view module, std::string_view name) const;
  // Adds `values` to the number of visited values. Returns false if the number exceeds a limit.
  // Without the limit, a small file could keep this program busy for very long: many calls may
  // share one long list.
  bool may_visit(std::size_t values);

  // A call in the pickle may make Python copy a text or bytes. Adds 1 to the number of visited
  // values for every 16 bytes of the copy, and for every slash in a text, because pathlib.Path
  // splits a text at the slashes. Python stores each character of a text in 1, 2 or 4 bytes, so the
  // copy may be longer than the text in the pickle. Returns false if the number exceeds the limit
  // of may_visit().
  bool may_copy(pickle::ValueId value);

  bool are_counts(pickle::ValueId value);
  bool are_items(pickle::ValueId value);
  bool are_keys(pickle::ValueId value);
  // Returns whether the value is a dict with texts as keys, and no key is one of the `reserved`
  // words or begins with two underscores.
  bool are_fields(pickle::ValueId value, std::string_view reserved);
  bool are_fields_of_dict(pickle::ValueId value);
  bool are_fields_of_layer(pickle::ValueId value);
  bool are_attributes(pickle::ValueId value);
  // Returns whether the value is a dict or OrderedDict with texts as keys. The value of each key
  // must be None or a value for which `fits` returns true.
  template <typename Fits>
  bool is_table(pickle::ValueId value, Fits fits);
  bool is_set_of_texts(pickle::ValueId value);
  bool are_hooks(pickle::ValueId value);
  bool is_countable(pickle::ValueId value) const;
  bool is_metadata(pickle::ValueId value) const;
  std::optional<std::string> short_bytes(pickle::ValueId value);
  bool is_moment(pickle::ValueId value, std::size_t size);
  bool is_other_dtype(pickle::ValueId dtype) const;
  bool fits_sparse(std::span<const pickle::ValueId> arguments, bool only_compressed);
  bool is_uuid_state(pickle::ValueId value);
  bool is_quantizer(pickle::ValueId value);
  bool is_rebuild(pickle::ValueId value) const;
  bool is_key_part(pickle::ValueId value);
  std::optional<std::size_t> byte_count(pickle::ValueId value, bool or_bytearray = false);
  std::optional<std::uint64_t> element_size(pickle::ValueId dtype) const;
  bool fits_number(std::span<const pickle::ValueId> arguments);
  bool fits_array(std::span<const pickle::ValueId> arguments);
  bool are_elements(pickle::ValueId shape, pickle::ValueId dtype, pickle::ValueId bytes,
                    bool or_bytearray = false);
  bool is_array_state(pickle::ValueId value);
  bool is_dtype_state(pickle::ValueId value) const;

  static bool is_element_type(std::string_view text);

  const pickle::Document& document_;
  std::size_t visited_ = 0;
  std::size_t chosen_keys_ = 0;
};

/// Returns whether `text` is a number as Python's Decimal writes numbers: "1.50", "1E+5", "NaN".
/// The number may have at most 50 characters before the E, and an exponent of at most three digits,
/// because Python could take much time to read a long number.
bool is_short_number(std::string_view text);

/// Returns whether `text` is a fraction as Python's Fraction writes fractions, "3" or "-1/3", and
/// has at most 50 characters, because Python could take much time to read a long number.
bool is_fraction(std::string_view text);

}  // namespace aether2onnx::torch
