#pragma once

#include "formats/onnx/onnx.h"

namespace aether2onnx::verify {

/// ONNX Runtime opens the files with a model's weights itself, and releases such as 1.20 follow
/// every path. Throws Error(unsupported, "onnx-external-folder") if a file is not named by a plain
/// name, wherever in the model the name stands. So a model from a stranger reads nothing outside of
/// its own folder.
void check_external_files(const onnx::Model& model);

}  // namespace aether2onnx::verify
