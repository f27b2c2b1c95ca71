/// @file
/// Loads the modules. A module is a shared library of aether2onnx that may be missing. The torch
/// module uses libtorch. The picture module uses libpng and libjpeg-turbo.
#pragma once

#include <string>

#include "picture_module.h"
#include "torch_module.h"

namespace aether2onnx::verify {

/// Loads libaether2onnx_torch.so, the module that uses libtorch. If the module is missing or cannot
/// be loaded, returns null and writes the reason, a sentence, to `why_not`.
const TorchModule* load_torch(std::string& why_not);
/// Returns whether the file libaether2onnx_torch.so is installed. This function does not check
/// whether libtorch, which the file needs, is installed too.
bool has_torch_module();

/// Loads libaether2onnx_pictures.so, the module that reads and writes pictures. Throws
/// Error(unsupported) if the module is missing or cannot be loaded.
const PictureModule& load_pictures();

}  // namespace aether2onnx::verify
