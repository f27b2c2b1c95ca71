/// @file
/// Compares the calls in a pickle with the table in known_names.cpp. Private to this folder.
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

/// Compares the calls in a pickle with the calls that PyTorch, numpy and Python write.
class Matcher {
 public:
  explicit Matcher(const pickle::Document& document) : document_(document) {}

  /// Returns whether PyTorch, numpy or Python write a call of the row's names with this opcode and
  /// these arguments.
  bool is_called_as(const Row& row, pickle::CallForm form,
                    std::span<const pickle::ValueId> arguments);

  /// Returns whether `object` may be a call that numpy writes for elements whose type is not in the
  /// table of known names: texts, dates, objects.
  bool may_be_honest(pickle::ValueId object);

  /// Returns whether the value matches `word`. known_names.cpp lists all words and their meanings.
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
  // Adds `values` to the number of visited values. Returns false above a limit, which is needed
  // because many calls may share one long list.
  bool may_visit(std::size_t values);

  bool are_counts(pickle::ValueId value);
  bool are_items(pickle::ValueId value);
  bool are_keys(pickle::ValueId value);
  // Returns whether the value is a dict with texts as keys, and no key is one of the `reserved`
  // words or begins with two underscores.
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
