#pragma once

#include "formats/onnx/onnx.h"

namespace aether2onnx::verify {

/// Throws Error(unsupported, "onnx-external-folder") if the model names a file of external data
/// with a folder ("../weights.bin") instead of a plain file name. ONNX Runtime itself opens these
/// files. Releases such as 1.20 also open files outside of the model's folder. With this check, a
/// model from a stranger reads no files outside of the model's folder.
void check_external_files(const onnx::Model& model);

}  // namespace aether2onnx::verify
