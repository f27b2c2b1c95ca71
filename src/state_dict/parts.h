/// @file
/// The steps from a container's records to the parts of a state dict. Private to this folder.
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

/// Finds the state dict in a file of torch.save and describes its entries. Sets every field of the
/// result but `storages` and `files`; `container` becomes ", whole module" or "". Throws
/// Error(unsupported), which says what the file holds, if there is no state dict; Error(mismatch)
/// if `options.params_key` leads to none.
StateDict::Parts find_state_dict(const torch::File& file, const OpenOptions& options,
                                 const Context& context);

/// Throws Error(unsupported) that says what a file of this kind is, and what to do.
[[noreturn]] void explain(formats::FileKind kind, const Input& input, const Context& context);

// --- pickled modules ---

/// If `value` is a pickled module, sets `parts.modules` and `parts.attributes`: the paths of the
/// module ("") and of the modules in it, and their attributes. Throws Error(limit) if there are too
/// many. Source: torch/nn/modules/module.py, Module.__getstate__ and Module.__setattr__.
void add_module_facts(const pickle::Document& document, pickle::ValueId value,
                      const Context& context, StateDict::Parts& parts);

/// Keeps the attributes whose names begin with `prefix` and a dot, and removes that start; a '/' in
/// `prefix` counts as a dot. An empty prefix keeps all attributes.
void keep_facts_under(StateDict::Parts& parts, std::string_view prefix);

// --- names ---

/// `key` without slashes at its ends.
std::string_view without_slashes(std::string_view key);

/// Keeps the entries whose names begin with `prefix` and a dot, and removes that start; a '/' in
/// `prefix` counts as a dot. Returns false, and changes nothing, if there is no such entry.
bool keep_those_under(std::vector<Entry>& entries, std::string_view prefix);

/// Removes the prefixes that wrappers of a module put before names, sets `parts.prefix`, and drops
/// entries that are no part of a network. Throws Error(unsupported) if two names become equal,
/// Error(limit) if there are too many entries.
void clean_names(StateDict::Parts& parts, const Context& context);

/// Throws Error(mismatch): the given params_key fits none of the state dicts `on_offer`.
[[noreturn]] void unknown_params_key(std::string_view key, const std::string& what_is_wrong,
                                     const std::vector<std::string>& on_offer);

/// Throws the error with a finding for each of the state dicts `on_offer`.
[[noreturn]] void mismatch(Fault fault, const std::string& sentences,
                           const std::vector<std::string>& on_offer);

}  // namespace aether2onnx::state_dict
