/// @file
/// The calls in a pickle, compared with the table of known names. Private to this folder; torch.h
/// has find_misuses().
#pragma once

#include <optional>

#include "formats/pickle/pickle.h"

namespace aether2onnx::torch {

/// The global that names a class: the value itself, or that in PyTorch's reference to a class with
/// its source text. Returns nullopt if the value is neither.
std::optional<pickle::ValueId> class_name(const pickle::Document& document, pickle::ValueId value);

/// The global by which an object was made: class_name() of the callable.
std::optional<pickle::ValueId> callable_name(const pickle::Document& document,
                                             pickle::ValueId object);

/// Whether an object may be a key of a dict or an element of a set: Python can hash it, it equals
/// no text, and no file can give many such objects one hash. Objects of unknown names may.
bool may_be_key(const pickle::Document& document, pickle::ValueId object);

/// Whether the value is a numpy.dtype of plain numbers.
bool has_plain_numbers(const pickle::Document& document, pickle::ValueId dtype);

/// Whether the value is the call of OrderedDict with which PyTorch says that a tensor has no hooks.
bool is_empty_ordered_dict(const pickle::Document& document, pickle::ValueId value);

}  // namespace aether2onnx::torch
