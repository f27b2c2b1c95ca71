/// @file
/// Functions about the calls in a pickle, for find_misuses() in torch.h and for call_grammar.h.
/// Private to this folder.
#pragma once

#include <optional>
#include <string_view>

#include "formats/pickle/pickle.h"

namespace aether2onnx::torch {

/// Returns the global (the imported name) of a class. `value` may be the global itself, or
/// PyTorch's reference to a class, which contains the global and the source text. Returns nullopt
/// for any other value.
std::optional<pickle::ValueId> class_name(const pickle::Document& document, pickle::ValueId value);

/// Returns the global (the imported name) of the function or class that the pickle calls to make
/// `object`. Returns nullopt if the pickle calls another value, such as the result of a call.
std::optional<pickle::ValueId> callable_name(const pickle::Document& document,
                                             pickle::ValueId object);

/// Returns whether `object` may be a key of a dict or an element of a set. Python must be able to
/// hash the object. The object must not equal a text, because Python would take the object and the
/// text as one key, and this reader as two keys. Returns true if the object is the result of a call
/// of an unknown name (known_names.h). find_misuses() limits the number of objects that are keys,
/// because a file can give many objects the same hash.
bool may_be_key(const pickle::Document& document, pickle::ValueId object);

/// Returns the function that a call names, for example "_rebuild_tensor_v2"; "" if the value is no
/// call of PyTorch's rebuild functions.
std::string_view rebuild_function(const pickle::Document& document, pickle::ValueId value);

/// Returns whether `dtype` is a call of numpy.dtype for plain numbers, not for texts or dates.
bool has_plain_numbers(const pickle::Document& document, pickle::ValueId dtype);

/// Returns whether the value is a call that makes an empty OrderedDict. If a tensor has no hooks,
/// PyTorch writes this call as the tensor's dict of hooks.
bool is_empty_ordered_dict(const pickle::Document& document, pickle::ValueId value);

}  // namespace aether2onnx::torch
