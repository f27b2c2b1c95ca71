/// @file
/// Dicts, objects and modules among the inert values of a pickle. Private to this folder.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/pickle/pickle.h"

namespace aether2onnx::state_dict {

using Item = std::pair<pickle::ValueId, pickle::ValueId>;

/// Whether the value is a dict, or a call whose object was filled as a dict is (OrderedDict,
/// defaultdict, EasyDict, …).
bool is_dict(const pickle::Document& document, pickle::ValueId value);

/// The items of a dict in the order of the pickle; repeated keys occur repeatedly.
std::vector<Item> items_of(const pickle::Document& document, pickle::ValueId dict);

/// The __dict__ of an object; nullopt if the pickle sets none.
std::optional<pickle::ValueId> attributes_of(const pickle::Document& document,
                                             pickle::ValueId object);

/// Whether `value` is a pickled torch.nn.Module: an object with _parameters and _modules.
bool is_module(const pickle::Document& document, pickle::ValueId value);

/// The value of the text `key` in a dict. As in Python, the last of equal keys counts.
std::optional<pickle::ValueId> find_key(const pickle::Document& document, pickle::ValueId dict,
                                        std::string_view key);

/// A key as part of a name. Returns a description, "<a tuple>", of a key that is longer than
/// limits::kNameBytes, or neither a text nor a number.
std::string key_text(const pickle::Document& document, pickle::ValueId key);

/// A value that is a fact about a network or its training, as Python's str() writes the value: a
/// number, a truth value, None, a short text, or "4,4,4,4" for a short list or tuple of these.
/// Returns nullopt for any other value.
std::optional<std::string> fact_text(const pickle::Document& document, pickle::ValueId value);

/// The items that the state_dict() of a pickled module would hold: the module's parameters and
/// buffers, then those of the modules in it. Throws Error(limit) if modules are nested too deeply
/// (in a circle, for example) or are too many.
/// Source: torch/nn/modules/module.py, Module.state_dict.
std::vector<std::pair<std::string, pickle::ValueId>> module_entries(
    const pickle::Document& document, pickle::ValueId module, const Context& context);

}  // namespace aether2onnx::state_dict
