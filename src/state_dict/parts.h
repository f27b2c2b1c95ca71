/// @file
/// Functions that fill StateDict::Parts, the data of an opened file. Private to this folder.
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
/// result except `storages`, `files` and `dangerous_names`. Sets `container` to ", whole module" if
/// the state dict is a pickled module, else to "". The caller puts the format ("PyTorch zip")
/// before this text. Throws Error(unsupported) if there is no state dict; the message names the
/// content. Throws Error(mismatch) if `params_key` leads to no state dict, or if the file has
/// several state dicts, but none under a usual key ("params", …).
StateDict::Parts find_state_dict(const torch::File& file, const OpenOptions& options,
                                 const Context& context);

/// Throws Error(unsupported) for a file of `kind`. The message names the kind and says what to do.
[[noreturn]] void explain(formats::FileKind kind, const Input& input, const Context& context);

// --- pickled modules ---

/// If `value` is a pickled module, sets `parts.modules` to the paths of this module ("") and all
/// inner modules, and `parts.attributes` to the attributes of all these modules. Throws
/// Error(limit) if there are too many modules or attributes. Source: torch/nn/modules/module.py,
/// Module.__getstate__ and Module.__setattr__.
void add_module_facts(const pickle::Document& document, pickle::ValueId value,
                      const Context& context, StateDict::Parts& parts);

/// Removes the elements of `parts.attributes` whose names do not begin with `prefix` and a dot, and
/// removes this prefix from the other names. A '/' in `prefix` stands for a dot. An empty prefix
/// changes nothing.
void keep_facts_under(StateDict::Parts& parts, std::string_view prefix);

// --- names ---

/// Returns `key` without slashes at its start and end.
std::string_view without_slashes(std::string_view key);

/// Removes every entry whose name does not begin with `prefix` and a dot, and removes this prefix
/// from all names. A '/' in `prefix` stands for a dot. Returns false, and changes nothing, if no
/// entry has this prefix.
bool keep_those_under(std::vector<Entry>& entries, std::string_view prefix);

/// Removes the prefixes that wrappers such as DataParallel put before names, sets `parts.prefix`,
/// and removes the entry n_averaged, a counter of AveragedModel (torch.optim.swa_utils). Throws
/// Error(unsupported) if two names become equal, Error(limit) if there are too many entries.
void clean_names(StateDict::Parts& parts, const Context& context);

/// Throws Error(mismatch): `key`, the value of the option params_key, leads to no state dict. The
/// message contains `what_is_wrong` and `on_offer`, the paths of the file's state dicts.
[[noreturn]] void unknown_params_key(std::string_view key, const std::string& what_is_wrong,
                                     const std::vector<std::string>& on_offer);

/// Throws an Error with kind and code of `fault` and the message `sentences`. Error::findings gets
/// one Diagnostic for each path in `on_offer`, the paths of the file's state dicts.
[[noreturn]] void mismatch(Fault fault, const std::string& sentences,
                           const std::vector<std::string>& on_offer);

}  // namespace aether2onnx::state_dict
