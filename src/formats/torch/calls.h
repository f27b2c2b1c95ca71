/// @file
/// Functions about the calls in a pickle, for find_misuses() in torch.h and for call_grammar.h.
/// Private to this folder.
#pragma once

#include <optional>

#include "formats/pickle/pickle.h"

namespace aether2onnx::torch {

/// Returns the global that names a class. `value` may be the global itself, or PyTorch's reference
/// to a class, which contains the global and the source text. Returns nullopt for any other value.
std::optional<pickle::ValueId> class_name(const pickle::Document& document, pickle::ValueId value);

/// Returns the global that a pickle calls to make the object: class_name() of the callable.
std::optional<pickle::ValueId> callable_name(const pickle::Document& document,
                                             pickle::ValueId object);

/// Returns whether `object` may be a key of a dict or an element of a set: Python can hash the
/// object, the object equals no text, and no file can give many such objects the same hash. Returns
/// true for objects of unknown names.
bool may_be_key(const pickle::Document& document, pickle::ValueId object);

/// Returns whether `dtype` is a call of numpy.dtype for plain numbers, not for texts or dates.
bool has_plain_numbers(const pickle::Document& document, pickle::ValueId dtype);

/// Returns whether the value is a call that makes an empty OrderedDict. PyTorch writes this call as
/// the hooks of a tensor without hooks.
bool is_empty_ordered_dict(const pickle::Document& document, pickle::ValueId value);

}  // namespace aether2onnx::torch
