/// @file
/// The names that writers of checkpoints put into pickles, and how writers call them.
///
/// Owns one table: a row has names, the arguments with which PyTorch, numpy and Python write calls
/// of these names, and what their picklers put into the result. Everything else is a misuse. A
/// loader would run code that its authors never tried with such arguments, and could make other
/// values than this reader. Other names have no grammar: they stay names.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "formats/pickle/pickle.h"

namespace aether2onnx::torch {

/// The verdict on a name that a pickle imports.
Verdict verdict_of(std::string_view module, std::string_view name);

/// A use of a known name, or a reference, that no writer makes.
struct Misuse {
  pickle::ValueId value = 0;  ///< The object, key or reference.
  std::string code;
  std::string text;  ///< "collections.OrderedDict is called with (the number 5)"
};

/// Calls `report` for each misuse in the pickle, until `report` returns false.
void find_misuses(const pickle::Document& document,
                  const std::function<bool(const Misuse&)>& report);

/// The global by which an object was made: the callable, or the class in PyTorch's reference to a
/// class with its source text. Returns nullopt if the callable is neither.
std::optional<pickle::ValueId> callable_name(const pickle::Document& document,
                                             pickle::ValueId object);

/// Whether an object may be a key of a dict or an element of a set: Python can hash it, it equals
/// no text, and no file can give many such objects one hash. Objects of unknown names may.
bool may_be_key(const pickle::Document& document, pickle::ValueId object);

/// Whether the value is the call of OrderedDict with which PyTorch says that a tensor has no hooks.
bool is_empty_ordered_dict(const pickle::Document& document, pickle::ValueId value);

}  // namespace aether2onnx::torch
