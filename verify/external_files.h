#pragma once

#include "formats/onnx/onnx.h"

namespace aether2onnx::verify {

/// Throws Error(unsupported, "onnx-external-folder") if any external data in the model are in a
/// file that is not given by a plain file name, without a folder. ONNX Runtime itself opens these
/// files, and releases such as 1.20 follow every path. With this check, a model from a stranger
/// reads nothing outside of its own folder.
void check_external_files(const onnx::Model& model);

}  // namespace aether2onnx::verify
