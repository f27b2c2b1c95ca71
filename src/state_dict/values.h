/// @file
/// Dicts, objects and modules among the inert values of a pickle. Private to this stage.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/pickle/pickle.h"

namespace aether2onnx::state_dict {

using Item = std::pair<pickle::ValueId, pickle::ValueId>;

/// A dict, or a call that made something filled like one (OrderedDict, defaultdict, EasyDict…).
bool is_dict(const pickle::Document& document, pickle::ValueId value);

/// The items of a dict in order, a repeated key repeated.
std::vector<Item> items_of(const pickle::Document& document, pickle::ValueId dict);

/// The attributes of an object that keeps them in its __dict__, as a dict.
std::optional<pickle::ValueId> attributes_of(const pickle::Document& document,
                                             pickle::ValueId object);

/// Whether `value` is a pickled torch.nn.Module: an object with _parameters and _modules.
bool is_module(const pickle::Document& document, pickle::ValueId value);

/// "an object of torch.nn.modules.linear.Linear": pickle::describe(), which doesn't know that the
/// legacy stream has a class together with its source text in a persistent id.
std::string describe_value(const pickle::Document& document, pickle::ValueId value);

/// The value of the text `key` in a dict; the last one where it is repeated, as in Python.
std::optional<pickle::ValueId> find_key(const pickle::Document& document, pickle::ValueId dict,
                                        std::string_view key);

/// A key as part of a name. What is longer than limits::kNameBytes or no text or number is
/// described instead: "<a tuple>".
std::string key_text(const pickle::Document& document, pickle::ValueId key);

/// Names and values of what the state_dict() of a pickled module would hold: its parameters and
/// buffers, then those of the modules in it. Throws Error(limit) where modules are nested too
/// deeply (in a circle, for example) or are too many.
/// Source: torch/nn/modules/module.py, Module.state_dict.
std::vector<std::pair<std::string, pickle::ValueId>> module_entries(
    const pickle::Document& document, pickle::ValueId module, const Context& context);

}  // namespace aether2onnx::state_dict
