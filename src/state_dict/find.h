/// @file
/// From the inert values of a pickle to the entries of a state dict. Private to this stage.
#pragma once

#include "formats/pickle/pickle.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::state_dict {

/// Finds the state dict in a pickled checkpoint and describes its entries. Fills every field of the
/// result but `storages` and `files`; `container` is set to ", whole module" or "". Throws
/// Error(unsupported) where there is none, with a plain word on what there is instead, and
/// Error(mismatch) where `options.params_key` names nothing.
StateDict::Parts find_state_dict(const pickle::Document& document, const StorageSource& storages,
                                 const OpenOptions& options, const Context& context);

}  // namespace aether2onnx::state_dict
