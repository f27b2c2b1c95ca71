/// @file
/// Compares calls with the rows of the table of known names. Private to this folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "formats/pickle/pickle.h"
#include "formats/torch/known_names.h"

namespace aether2onnx::torch {

/// Compares calls with the table of known names.
class Matcher {
 public:
  explicit Matcher(const pickle::Document& document) : document_(document) {}

  /// Returns whether a writer calls the names of the row with this opcode and these arguments.
  bool is_called_as(const Row& row, pickle::CallForm form,
                    std::span<const pickle::ValueId> arguments);

  /// Returns whether numpy may have written the call for elements that the table leaves out: texts,
  /// dates, objects.
  bool may_be_honest(pickle::ValueId object);

  /// Returns whether the value matches `word`, which is a word of the table.
  bool fits(std::string_view word, pickle::ValueId value);

 private:
  bool fit(std::span<const std::string_view> words, std::span<const pickle::ValueId> arguments);
  bool fits_any(std::string_view words, pickle::ValueId value);

  bool is(pickle::Kind kind, pickle::ValueId value) const { return document_.kind(value) == kind; }
  bool is_count(pickle::ValueId value) const;
  bool is_between(pickle::ValueId value, std::int64_t least, std::int64_t most) const;
  bool is_offset(pickle::ValueId value) const;
  bool is_text(pickle::ValueId value, std::string_view text) const;
  // Returns whether the value has no parts.
  bool is_plain(pickle::ValueId value) const;
  bool is_call_of(pickle::ValueId value, std::string_view module, std::string_view name) const;
  // Counts visited values; returns false above a limit, since many calls may have the same list.
  bool may_visit(std::size_t values);

  bool are_counts(pickle::ValueId value);
  bool are_items(pickle::ValueId value);
  bool are_keys(pickle::ValueId value);
  // Returns whether the value is a dict with texts as keys. No key may be one of the `reserved`
  // words or begin with two underscores.
  bool are_fields(pickle::ValueId value, std::string_view reserved);
  bool are_fields_of_dict(pickle::ValueId value);
  bool are_fields_of_layer(pickle::ValueId value);
  bool are_attributes(pickle::ValueId value);
  // Returns whether the value is a dict or OrderedDict with texts as keys. Each item must be None
  // or a value for which `fits` returns true.
  template <typename Fits>
  bool is_table(pickle::ValueId value, Fits fits);
  bool are_hooks(pickle::ValueId value);
  bool is_layer(pickle::ValueId value) const;
  bool is_countable(pickle::ValueId value) const;
  bool is_metadata(pickle::ValueId value) const;
  std::optional<std::string> short_bytes(pickle::ValueId value);
  bool is_moment(pickle::ValueId value, std::size_t size);
  bool is_other_dtype(pickle::ValueId dtype) const;
  bool is_sparse_content(pickle::ValueId value);
  bool is_quantizer(pickle::ValueId value);
  bool is_rebuild(pickle::ValueId value) const;
  bool is_key_part(pickle::ValueId value);
  std::optional<std::size_t> byte_count(pickle::ValueId value);
  std::optional<std::uint64_t> element_size(pickle::ValueId dtype) const;
  bool fits_number(std::span<const pickle::ValueId> arguments);
  bool fits_array(std::span<const pickle::ValueId> arguments);
  bool are_elements(pickle::ValueId shape, pickle::ValueId dtype, pickle::ValueId bytes);
  bool is_array_state(pickle::ValueId value);
  bool is_dtype_state(pickle::ValueId value) const;

  const pickle::Document& document_;
  std::size_t visited_ = 0;
  std::size_t tuple_keys_ = 0;
};

}  // namespace aether2onnx::torch
