/// @file
/// The containers that a checkpoint may come in; one source file each. Private to this stage.
#pragma once

#include <string>

#include "formats/pickle/pickle.h"
#include "formats/zip/zip.h"
#include "state_dict/state_dict.h"

namespace aether2onnx::state_dict {

/// PyTorch's zip container, 1.6 to today.
StateDict::Parts open_torch_zip(const Input& input, const OpenOptions& options,
                                const Context& context);

/// PyTorch's stream of pickles and storages, from before 1.6.
StateDict::Parts open_torch_legacy(const Input& input, const OpenOptions& options,
                                   const Context& context);

/// A safetensors file.
StateDict::Parts open_safetensors(const Input& input, const OpenOptions& options,
                                  const Context& context);

/// What audit() says of each.
Audit audit_torch_zip(const Input& input, const Context& context);
Audit audit_torch_legacy(const Input& input, const Context& context);

/// Looks at every tensor that the pickle rebuilds.
void audit_tensors(const pickle::Document& document, const StorageSource& storages, Audit& result);

/// The shard index of a safetensors checkpoint; nothing where the JSON is none.
std::optional<StateDict::Parts> open_shard_index(const Input& input, const OpenOptions& options,
                                                 const Context& context);

/// Throws Error(unsupported) that says what a file of this kind is.
[[noreturn]] void explain(archive::FileKind kind, const Input& input);

/// The same for a zip archive that is no PyTorch checkpoint.
[[noreturn]] void explain_zip(const archive::ZipArchive& zip);

}  // namespace aether2onnx::state_dict
