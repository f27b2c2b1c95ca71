/// @file
/// Finds dicts, objects and modules among the values of a parsed pickle. Private to this folder.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/pickle/pickle.h"

namespace aether2onnx::state_dict {

using Item = std::pair<pickle::ValueId, pickle::ValueId>;

/// Returns whether the value is a dict, or an object that the pickle fills with items like a dict
/// (OrderedDict, defaultdict, EasyDict, …).
bool is_dict(const pickle::Document& document, pickle::ValueId value);

/// Returns the items of a dict in the order of the pickle, including items with equal keys.
std::vector<Item> items_of(const pickle::Document& document, pickle::ValueId dict);

/// Returns the __dict__ of an object; nullopt if the pickle sets no __dict__.
std::optional<pickle::ValueId> attributes_of(const pickle::Document& document,
                                             pickle::ValueId object);

/// Returns whether `value` is a pickled torch.nn.Module: an object with _parameters and _modules.
bool is_module(const pickle::Document& document, pickle::ValueId value);

/// Returns the value under the text `key` in a dict, or nullopt. If the key occurs several times,
/// returns the last value, as Python does.
std::optional<pickle::ValueId> find_key(const pickle::Document& document, pickle::ValueId dict,
                                        std::string_view key);

/// Returns the text of a dict's key. Callers put this text into tensor names and paths. If the key
/// is longer than limits::kNameBytes, or neither a text nor a whole number, returns a description
/// such as "<a tuple>".
std::string key_text(const pickle::Document& document, pickle::ValueId key);

/// Returns the text of a value that can be a setting of a network or of training: a number, a
/// boolean or None as in Python, a short text, or "4,4,4,4" for a short list or tuple of these
/// values. Returns nullopt for any other value.
std::optional<std::string> fact_text(const pickle::Document& document, pickle::ValueId value);

/// Returns the items that state_dict() of a pickled module would return: the module's parameters
/// and buffers, then those of all inner modules. Throws Error(limit) if modules are nested too
/// deeply (in a circle, for example), or if there are too many modules or items.
/// Source: torch/nn/modules/module.py, Module.state_dict.
std::vector<std::pair<std::string, pickle::ValueId>> module_entries(
    const pickle::Document& document, pickle::ValueId module, const Context& context);

}  // namespace aether2onnx::state_dict
