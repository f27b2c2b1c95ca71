/// @file
/// Functions that fill StateDict::Parts from the content of a file. Private to this folder.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "formats/file_kind.h"
#include "formats/torch/torch.h"
#include "formats/zip/zip.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::state_dict {

/// Finds the state dict in a file of torch.save() and describes its entries. Sets all fields of the
/// result except `storages`, `files` and `dangerous_names`; `container` becomes ", whole module" or
/// "". Throws Error(unsupported) if the file has no state dict; the message names the content.
/// Throws Error(mismatch) if `options.params_key` leads to no state dict or the choice is unclear.
StateDict::Parts find_state_dict(const torch::File& file, const OpenOptions& options,
                                 const Context& context);

/// Throws Error(unsupported). The message says what a file of this kind is, and what to do.
[[noreturn]] void explain(formats::FileKind kind, const Input& input, const Context& context);

// --- pickled modules ---

/// If `value` is a pickled module, sets `parts.modules` and `parts.attributes`: the paths of the
/// module ("") and of the modules in it, and their attributes. Throws Error(limit) if there are too
/// many facts. Source: torch/nn/modules/module.py, Module.__getstate__ and Module.__setattr__.
void add_module_facts(const pickle::Document& document, pickle::ValueId value,
                      const Context& context, StateDict::Parts& parts);

/// Keeps the attributes whose names begin with `prefix` and a dot, and removes this start from the
/// names; a '/' in `prefix` counts as a dot. An empty prefix keeps all attributes.
void keep_facts_under(StateDict::Parts& parts, std::string_view prefix);

// --- names ---

/// Returns `key` without slashes at its ends.
std::string_view without_slashes(std::string_view key);

/// Keeps the entries whose names begin with `prefix` and a dot, and removes this start from the
/// names; a '/' in `prefix` counts as a dot. Returns false, and changes nothing, if no entry has
/// such a name.
bool keep_those_under(std::vector<Entry>& entries, std::string_view prefix);

/// Removes the prefixes that wrappers of a module put before names, sets `parts.prefix`, and drops
/// entries that are no part of a network. Throws Error(unsupported) if two names become equal,
/// Error(limit) if there are too many entries.
void clean_names(StateDict::Parts& parts, const Context& context);

/// Throws Error(mismatch) for a params_key that leads to no state dict. `on_offer` are the paths of
/// the state dicts in the file.
[[noreturn]] void unknown_params_key(std::string_view key, const std::string& what_is_wrong,
                                     const std::vector<std::string>& on_offer);

/// Throws the error `fault` with the text `sentences`, and one finding for each path in `on_offer`.
[[noreturn]] void mismatch(Fault fault, const std::string& sentences,
                           const std::vector<std::string>& on_offer);

}  // namespace aether2onnx::state_dict
